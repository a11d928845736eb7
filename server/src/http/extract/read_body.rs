//! Bodies, whatever is in them: as a whole, within their size and their time.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use http_body_util::{BodyExt, LengthLimitError, Limited};

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
