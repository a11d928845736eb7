//! A page or an asset in memory: plain and gzipped, each with its `ETag`.
//!
//! Only public content is compressed: the length of a compressed response with a secret and something of the caller's
//! choice reveals the secret (BREACH).

use std::io::Write;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use ring::digest;

use crate::auth::secrets::hex;

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
    gzipped: Variant,
}

#[derive(Debug, Clone)]
struct Variant {
    content: Bytes,
    tag: String,
}

impl Page {
    pub(super) fn new(content_type: &'static str, policy: &'static str, content: impl Into<Bytes>) -> Self {
        let content = content.into();
        let digest = digest_of(&content);
        let gzipped = Variant { content: gzipped(&content), tag: format!("\"{digest}-gzip\"") };
        Self { content_type, policy, plain: Variant { content, tag: format!("\"{digest}\"") }, gzipped }
    }

    pub(super) fn respond(&self, headers: &HeaderMap, cache: CachePolicy) -> Response {
        let gzip = takes_gzip(headers);
        let variant = if gzip { &self.gzipped } else { &self.plain };
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
        if has(headers, &variant.tag) {
            return (StatusCode::NOT_MODIFIED, common).into_response();
        }
        let encoding = gzip.then_some([(header::CONTENT_ENCODING, "gzip")]);
        let content_type = [(header::CONTENT_TYPE, self.content_type)];
        (content_type, common, encoding, Body::from(variant.content.clone())).into_response()
    }
}

/// A short digest of the content.
pub(super) fn digest_of(content: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, content);
    hex(&digest.as_ref()[..6])
}

fn gzipped(content: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    // Writes into memory are infallible.
    _ = encoder.write_all(content);
    encoder.finish().unwrap_or_default().into()
}

fn values(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter().filter_map(|value: &HeaderValue| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    values(headers, header::ACCEPT_ENCODING).any(|coding| {
        let (name, quality) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let quality = quality.trim().strip_prefix("q=").and_then(|quality| quality.parse().ok()).unwrap_or(1.0f32);
        name.trim().eq_ignore_ascii_case("gzip") && quality > 0.0
    })
}

/// Whether the caller has this version already.
fn has(headers: &HeaderMap, tag: &str) -> bool {
    values(headers, header::IF_NONE_MATCH).any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &'static str) -> HeaderMap {
        [(name, HeaderValue::from_static(value))].into_iter().collect()
    }

    #[test]
    fn it_is_packed_for_those_who_take_it() {
        let takes = |value| takes_gzip(&headers(header::ACCEPT_ENCODING, value));
        assert!(takes("gzip") && takes("deflate, gzip;q=0.5, br") && takes("GZIP"));
        assert!(!takes("identity") && !takes("gzip;q=0") && !takes("br") && !takes_gzip(&HeaderMap::new()));
    }

    #[test]
    fn what_is_there_already_is_not_sent_again() {
        let page = Page::new("text/plain", "", "words");
        let known = |value| page.respond(&headers(header::IF_NONE_MATCH, value), CachePolicy::WhileUnchanged).status();
        let tag: &'static str = page.plain.tag.clone().leak();
        for value in [tag, "*", format!("\"x\", W/{tag}").leak()] {
            assert_eq!(known(value), StatusCode::NOT_MODIFIED, "{value}");
        }
        for value in ["\"x\"", page.gzipped.tag.clone().leak(), ""] {
            assert_eq!(known(value), StatusCode::OK, "{value}");
        }
    }
}
