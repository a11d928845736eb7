//! The caller: who the access token says it is, and whether it is an admin.

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};
use troupe_shared::{db::users, ids::UserId};

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

/// The signed-in user, who is an admin. The database is asked at every call: a role that was taken away is gone at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Admin(pub(crate) UserId);

impl Admin {
    /// The same for somebody who is signed in otherwise.
    pub(crate) async fn check(state: &AppState, user: UserId) -> Result<Self, ApiError> {
        match users::role(&state.pool, user).await?.as_deref() {
            Some("admin") => Ok(Self(user)),
            Some(_) => Err(ApiError::Forbidden("this is for admins")),
            None => Err(ApiError::Unauthenticated("the account is gone")),
        }
    }
}

impl FromRequestParts<AppState> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let Caller(user) = Caller::from_request_parts(parts, state).await?;
        Self::check(state, user).await
    }
}

pub(crate) fn bearer(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
