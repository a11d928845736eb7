//! Reads whole bodies of any type, within limits of size and time.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes, HttpBody},
    http::Extensions,
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use troupe_core::config;

use crate::http::error::ApiError;

/// The whole body, within a size and a time limit.
pub(crate) async fn receive(body: Body, limit: usize, time: Duration) -> Result<Bytes, ApiError> {
    // The declared length alone may be too large.
    if body.size_hint().lower() > limit as u64 {
        return Err(ApiError::body_too_large(limit));
    }
    match tokio::time::timeout(time, Limited::new(body, limit).collect()).await {
        Ok(Ok(all)) => Ok(all.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ApiError::body_too_large(limit)),
        Ok(Err(_)) => Err(ApiError::malformed_json("the body broke off, or its chunks are none")),
        Err(_) => Err(ApiError::body_too_slow()),
    }
}

/// The limits of bodies, inserted into the request's extensions by the outermost middleware.
pub(crate) fn server_config(extensions: &Extensions) -> Result<Arc<config::Server>, ApiError> {
    extensions.get().cloned().ok_or_else(|| ApiError::Internal("the outermost middleware is missing".to_owned()))
}
