//! A page or an asset in memory: plain and packed, each with its `ETag`.
//!
//! Only public content is packed: the length of a packed response with a secret and something of the caller's choice
//! reveals the secret (BREACH).

use std::io::Write;

use axum::{
    body::Body,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use ring::digest;

use super::assets::Asset;
use crate::{auth::secrets::hex, http::etag};

/// How browsers may cache it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CachePolicy {
    /// Revalidated at each use.
    WhileUnchanged,
    /// Its name contains its digest.
    ForEver,
}

#[derive(Debug, Clone)]
pub(super) struct Page {
    content_type: &'static str,
    policy: &'static str,
    plain: Variant,
    /// The best first.
    packed: Vec<Variant>,
}

#[derive(Debug, Clone)]
struct Variant {
    /// Empty for the plain one.
    coding: &'static str,
    content: Bytes,
    tag: String,
}

impl Page {
    /// An asset, packed when it was built.
    pub(super) fn of(asset: &Asset, policy: &'static str) -> Self {
        let packed = [("br", asset.brotli), ("gzip", asset.gzip)];
        let packed = packed.into_iter().filter(|(_, content)| !content.is_empty());
        let packed = packed.map(|(coding, content)| (coding, Bytes::from_static(content)));
        Self::new(asset.media_type, policy, Bytes::from_static(asset.plain), packed)
    }

    /// What is known only when the server starts.
    pub(super) fn packed_now(content_type: &'static str, policy: &'static str, content: impl Into<Bytes>) -> Self {
        let content = content.into();
        let gzip = gzipped(&content);
        Self::new(content_type, policy, content, [("gzip", gzip)])
    }

    fn new(
        content_type: &'static str,
        policy: &'static str,
        plain: Bytes,
        packed: impl IntoIterator<Item = (&'static str, Bytes)>,
    ) -> Self {
        let digest = digest_of(&plain);
        let packed = packed.into_iter().map(|(coding, content)| {
            let tag = format!("\"{digest}-{coding}\"");
            Variant { coding, content, tag }
        });
        Self {
            content_type,
            policy,
            packed: packed.collect(),
            plain: Variant { coding: "", content: plain, tag: format!("\"{digest}\"") },
        }
    }

    pub(super) fn respond(&self, headers: &HeaderMap, cache: CachePolicy) -> Response {
        let variant = self.packed.iter().find(|variant| takes(headers, variant.coding)).unwrap_or(&self.plain);
        let cache_control = match cache {
            CachePolicy::WhileUnchanged => "no-cache",
            CachePolicy::ForEver => "public, max-age=31536000, immutable",
        };
        let common = [
            (header::ETAG, variant.tag.as_str()),
            (header::CACHE_CONTROL, cache_control),
            (header::VARY, "accept-encoding"),
            (header::CONTENT_SECURITY_POLICY, self.policy),
        ];
        if etag::is_known(headers, &variant.tag) {
            return (StatusCode::NOT_MODIFIED, common).into_response();
        }
        let encoding = (!variant.coding.is_empty()).then_some([(header::CONTENT_ENCODING, variant.coding)]);
        let content_type = [(header::CONTENT_TYPE, self.content_type)];
        (content_type, common, encoding, Body::from(variant.content.clone())).into_response()
    }
}

/// A short digest of the content.
fn digest_of(content: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, content);
    hex(&digest.as_ref()[..6])
}

fn gzipped(content: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    // Writes into memory are infallible.
    _ = encoder.write_all(content);
    encoder.finish().unwrap_or_default().into()
}

fn takes(headers: &HeaderMap, wanted: &str) -> bool {
    etag::listed_values(headers, header::ACCEPT_ENCODING).any(|coding| {
        let (name, quality) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let quality = quality.trim().strip_prefix("q=").and_then(|quality| quality.parse().ok()).unwrap_or(1.0f32);
        name.trim().eq_ignore_ascii_case(wanted) && quality > 0.0
    })
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(name: HeaderName, value: &'static str) -> HeaderMap {
        [(name, HeaderValue::from_static(value))].into_iter().collect()
    }

    #[test]
    fn it_is_packed_for_those_who_take_it() {
        let takes = |value| takes(&headers(header::ACCEPT_ENCODING, value), "gzip");
        assert!(takes("gzip") && takes("deflate, gzip;q=0.5, br") && takes("GZIP"));
        assert!(!takes("identity") && !takes("gzip;q=0") && !takes("br") && !takes(""));
    }

    #[test]
    fn the_best_packing_that_somebody_takes_is_sent() {
        let packed = [("br", Bytes::from_static(b"b")), ("gzip", Bytes::from_static(b"g"))];
        let page = Page::new("text/plain", "", Bytes::from_static(b"words"), packed);
        for (value, coding) in [("gzip, br", Some("br")), ("gzip, br;q=0", Some("gzip")), ("zstd", None)] {
            let response = page.respond(&headers(header::ACCEPT_ENCODING, value), CachePolicy::ForEver);
            let sent = response.headers().get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok());
            assert_eq!(sent, coding, "{value}");
        }
    }

    #[test]
    fn what_is_there_already_is_not_sent_again() {
        let page = Page::packed_now("text/plain", "", "words");
        let known = |value| page.respond(&headers(header::IF_NONE_MATCH, value), CachePolicy::WhileUnchanged).status();
        let tag: &'static str = page.plain.tag.clone().leak();
        for value in [tag, "*", format!("\"x\", W/{tag}").leak()] {
            assert_eq!(known(value), StatusCode::NOT_MODIFIED, "{value}");
        }
        for value in ["\"x\"", page.packed[0].tag.clone().leak(), ""] {
            assert_eq!(known(value), StatusCode::OK, "{value}");
        }
    }
}
