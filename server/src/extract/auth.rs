//! The caller: who the access token says it is.

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};
use troupe_shared::ids::UserId;

use crate::{error::ApiError, state::AppState};

/// The signed-in user.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller(pub(crate) UserId);

impl FromRequestParts<AppState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let token = bearer(parts).ok_or(ApiError::Unauthenticated("an Authorization: Bearer header is needed"))?;
        state.tokens.verify(token).await.map(Self)
    }
}

pub(crate) fn bearer(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
