//! Bodies, whatever is in them: as a whole, within their size and their time.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes, HttpBody},
    http::Extensions,
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use troupe_core::config;

use crate::http::error::ApiError;

/// All of a body, if it is not too large and does not take too long.
pub(crate) async fn receive(body: Body, limit: usize, time: Duration) -> Result<Bytes, ApiError> {
    // What is said to be too large need not be read to know.
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

/// The limits of bodies, which the outermost middleware has put beside the request.
pub(crate) fn server_config(extensions: &Extensions) -> Result<Arc<config::Server>, ApiError> {
    extensions.get().cloned().ok_or_else(|| ApiError::Internal("the outermost middleware is missing".to_owned()))
}
