//! The small models on this machine. They are real: where `scripts/local-models` could not fetch one, its tests say so
//! and do nothing.

mod conversation;
mod engines;
mod fetching;
mod ollama;

use std::path::{Path, PathBuf};

use troupe_engines::local::{LocalKind, Packages};

/// Where `make run` and `make test` keep them.
fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../.troupe/local")
}

/// An engine's packages, if they could be fetched.
#[expect(clippy::print_stderr, reason = "a test that tests nothing says so")]
pub(crate) fn fetched(kind: LocalKind) -> Option<Packages> {
    let directory = directory();
    let found = directory.canonicalize().ok().and_then(|directory| Packages::find(kind, &directory).ok());
    if found.is_none() {
        eprintln!("not tested: {kind:?} is not in {} (scripts/local-models fetches it)", directory.display());
    }
    found
}
