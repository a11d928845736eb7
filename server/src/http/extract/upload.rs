//! An uploaded document: its bytes, its declared media type and the idempotency key. Or JSON with a document's URL.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request},
    http::header,
};
use serde::Deserialize;
use troupe_core::media_type::MediaType;
use utoipa::ToSchema;

use super::{
    body,
    idempotency::IdempotencyKey,
    read_body::{receive, server_config},
};
use crate::http::{error::ApiError, idempotent::Key};

pub(crate) struct Upload {
    pub(crate) content: Content,
    pub(crate) key: Option<Key>,
}

pub(crate) enum Content {
    Document {
        bytes: Bytes,
        /// The declared type, if it is a supported one.
        declared: Option<MediaType>,
    },
    Address(DocumentAddress),
}

/// Where a document is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DocumentAddress {
    /// A public address: `http` or `https`.
    #[schema(max_length = 2048, format = "uri")]
    pub(crate) url: String,
    /// The title; by default the document's own.
    #[schema(min_length = 1, max_length = 200)]
    title: Option<String>,
}

impl Content {
    /// The title given beside a URL.
    pub(crate) fn title(&self) -> Option<String> {
        match self {
            Self::Address(address) => address.title.clone(),
            Self::Document { .. } => None,
        }
    }
}

impl<S: Send + Sync> FromRequest<S> for Upload {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let (mut parts, content) = request.into_parts();
        let IdempotencyKey(key) = IdempotencyKey::from_request_parts(&mut parts, state).await?;
        let is_json = body::is_json(&parts.headers);
        let server = server_config(&parts.extensions)?;
        let limit = if is_json { server.max_body } else { server.max_document };
        let bytes = receive(content, limit, server.upload_timeout).await?;
        let declared = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let declared = declared.unwrap_or_default();
        let address = format!("{} {}", parts.method, parts.uri);
        let key = key.map(|key| Key::new(key, &[address.as_bytes(), declared.as_bytes(), &bytes]));
        let content = if is_json {
            Content::Address(body::parse(&bytes)?)
        } else {
            Content::Document { declared: MediaType::named(declared), bytes }
        };
        Ok(Self { content, key })
    }
}

/// A file of any type, JSON too.
pub(crate) struct FileUpload {
    pub(crate) bytes: Bytes,
    pub(crate) key: Option<Key>,
}

impl<S: Send + Sync> FromRequest<S> for FileUpload {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let (mut parts, content) = request.into_parts();
        let IdempotencyKey(key) = IdempotencyKey::from_request_parts(&mut parts, state).await?;
        let server = server_config(&parts.extensions)?;
        let bytes = receive(content, server.max_document, server.upload_timeout).await?;
        let address = format!("{} {}", parts.method, parts.uri);
        let key = key.map(|key| Key::new(key, &[address.as_bytes(), &bytes]));
        Ok(Self { bytes, key })
    }
}
