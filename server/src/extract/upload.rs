//! A body that is a document: its bytes, what it is said to be, and the caller's key.

use axum::{
    body::{Bytes, HttpBody, to_bytes},
    extract::{FromRequest, FromRequestParts, Request},
    http::header,
};
use troupe_shared::media_type::MediaType;

use super::idempotency::IdempotencyKey;
use crate::{error::ApiError, state::AppState, usecase::once::Key};

pub(crate) struct Upload {
    pub(crate) bytes: Bytes,
    /// What it is said to be, if that is something that can be read.
    pub(crate) said: Option<MediaType>,
    pub(crate) key: Option<Key>,
}

impl FromRequest<AppState> for Upload {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        let (mut parts, content) = request.into_parts();
        let IdempotencyKey(key) = IdempotencyKey::from_request_parts(&mut parts, state).await?;
        let limit = state.config.server.max_document;
        // What is said to be too large need not be read to know.
        if content.size_hint().lower() > limit as u64 {
            return Err(ApiError::BodyTooLarge { limit });
        }
        let bytes = to_bytes(content, limit).await.map_err(|_| ApiError::BodyTooLarge { limit })?;
        let said = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let address = format!("{} {}", parts.method, parts.uri);
        let key = key.map(|key| Key::new(key, &[address.as_bytes(), said.as_bytes(), &bytes]));
        Ok(Self { said: MediaType::named(said), bytes, key })
    }
}
