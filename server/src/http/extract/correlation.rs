//! The correlation id: from the call to the job, the events and every log line.
//!
//! It is the caller's `X-Request-Id`, else the trace id of its `traceparent`, else a new one. The outermost middleware
//! sets it, and writes it into responses and the bodies of errors.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, request::Parts},
};
use troupe_core::ids::RequestId;

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const MAX_ID_CHARS: usize = 128;

/// The id under which everything about this call can be found.
#[derive(Debug, Clone)]
pub(crate) struct CorrelationId(pub(crate) String);

impl<S: Sync> FromRequestParts<S> for CorrelationId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_else(|| Self::of(&parts.headers)))
    }
}

impl CorrelationId {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let given = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let own = given(X_REQUEST_ID.as_str()).filter(|id| {
            (1..=MAX_ID_CHARS).contains(&id.len())
                && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
        });
        let trace = || given("traceparent").and_then(trace_id);
        Self(own.or_else(trace).map_or_else(|| RequestId::new().to_string(), str::to_owned))
    }
}

/// Of `00-<32 hex digits>-<16 hex digits>-<flags>`.
fn trace_id(traceparent: &str) -> Option<&str> {
    let id = traceparent.split('-').nth(1)?;
    let valid = id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()) && id.bytes().any(|b| b != b'0');
    valid.then_some(id)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn id(headers: &[(&'static str, &'static str)]) -> String {
        let headers = headers.iter().map(|&(k, v)| (HeaderName::from_static(k), HeaderValue::from_static(v)));
        CorrelationId::of(&headers.collect()).0
    }

    #[test]
    fn the_callers_id_goes_before_its_trace_and_both_before_a_new_one() {
        let trace = ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        assert_eq!(id(&[("x-request-id", "mine-1"), trace]), "mine-1");
        assert_eq!(id(&[trace]), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(id(&[("x-request-id", "no spaces"), trace]), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_ne!(id(&[("traceparent", "00-00000000000000000000000000000000-1-1")]), id(&[]));
    }
}
