//! A body that is a document: its bytes, what it is said to be, and the caller's key.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request},
    http::header,
};
use troupe_shared::media_type::MediaType;

use super::{body::receive, idempotency::IdempotencyKey};
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
        let config = &state.config.server;
        let bytes = receive(content, config.max_document, config.upload_timeout).await?;
        let said = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let address = format!("{} {}", parts.method, parts.uri);
        let key = key.map(|key| Key::new(key, &[address.as_bytes(), said.as_bytes(), &bytes]));
        Ok(Self { said: MediaType::named(said), bytes, key })
    }
}
