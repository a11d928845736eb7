//! Conditional reads: `If-None-Match` and the tag of what there is.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// Whether the caller has what bears this tag already.
pub(crate) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    listed_values(headers, header::IF_NONE_MATCH).any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

/// The values of a header that has a list of them, in however many lines.
pub(crate) fn listed_values(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter().filter_map(|value: &HeaderValue| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}
