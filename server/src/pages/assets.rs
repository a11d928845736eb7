//! The assets, as `build.rs` has prepared them.

/// A file of the pages.
pub(super) struct Asset {
    /// Below `assets/`.
    pub(super) path: &'static str,
    /// The same with a digest of the content in its name.
    pub(super) digest_path: &'static str,
    pub(super) media_type: &'static str,
    pub(super) plain: &'static [u8],
    /// Empty where packing is no use.
    pub(super) gzip: &'static [u8],
    pub(super) brotli: &'static [u8],
}

pub(super) static ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));
