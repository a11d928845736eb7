//! The headers of a message: its idempotency key, and whether a cached reply is acceptable.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};

use super::idempotency::IdempotencyKey;
use crate::http::error::ApiError;

pub(crate) struct MessageHeaders {
    pub(crate) key: Option<String>,
    /// `Cache-Control: no-cache`: no cached reply.
    pub(crate) fresh: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for MessageHeaders {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let IdempotencyKey(key) = IdempotencyKey::from_request_parts(parts, state).await?;
        Ok(Self { key, fresh: has_no_cache(&parts.headers) })
    }
}

fn has_no_cache(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|directive| directive.trim().eq_ignore_ascii_case("no-cache"))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn one_directive_among_others_counts() {
        let says = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::CACHE_CONTROL, HeaderValue::from_static(value));
            }
            has_no_cache(&headers)
        };
        assert!(says(&["no-cache"]) && says(&["max-age=0, No-Cache"]) && says(&["max-age=0", "no-cache"]));
        assert!(!says(&[]) && !says(&["max-age=0"]) && !says(&["no-caches"]));
    }
}
