//! The headers of idempotency: `Idempotency-Key` of calls, and `Idempotency-Replayed` of responses.

use axum::{
    Json,
    extract::{FromRequest, FromRequestParts, Request},
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    body::{self, Body},
    read_body,
};
use crate::http::{
    error::ApiError,
    idempotent::{Created, Key},
};

const HEADER: &str = "idempotency-key";
const MAX_KEY_CHARS: usize = 255;

/// The optional key of a call.
pub(crate) struct IdempotencyKey(pub(crate) Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get(HEADER) else { return Ok(Self(None)) };
        let key = value.to_str().unwrap_or_default();
        check(key, "Idempotency-Key")?;
        Ok(Self(Some(key.to_owned())))
    }
}

/// Validates a key, from a header or from a socket message: short and printable.
pub(crate) fn check(key: &str, field: &str) -> Result<(), ApiError> {
    if (1..=MAX_KEY_CHARS).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(());
    }
    Err(ApiError::field(field, format!("must be 1 to {MAX_KEY_CHARS} printable ASCII characters without spaces")))
}

/// The JSON body of a call that creates something, and its key.
pub(crate) struct Keyed<T> {
    pub(crate) body: T,
    pub(crate) key: Option<Key>,
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Keyed<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let (mut parts, content) = request.into_parts();
        let IdempotencyKey(key) = IdempotencyKey::from_request_parts(&mut parts, state).await?;
        let Some(key) = key else {
            let Body(body) = Body::from_request(Request::from_parts(parts, content), state).await?;
            return Ok(Self { body, key: None });
        };
        let address = format!("{} {}", parts.method, parts.uri.path());
        let config = read_body::server_config(&parts.extensions)?;
        let bytes = read_body::receive(content, config.max_body, config.body_timeout).await?;
        if !body::is_json(&parts.headers) {
            return Err(ApiError::not_json());
        }
        let key = Key::new(key, &[address.as_bytes(), &bytes]);
        Ok(Self { body: body::parse(&bytes)?, key: Some(key) })
    }
}

/// Marks a replayed response.
pub(crate) const REPLAYED: (&str, &str) = ("idempotency-replayed", "true");

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        match self {
            Self::New(created) => (StatusCode::CREATED, Json(created)).into_response(),
            Self::Replayed(answer) => (StatusCode::CREATED, [REPLAYED], Json(answer)).into_response(),
        }
    }
}
