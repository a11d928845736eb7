//! The authenticated caller, set by [`super::middleware`].

use axum::{extract::FromRequestParts, http::request::Parts};
use troupe_core::ids::UserId;

use super::identity::Identity;
use crate::http::error::ApiError;

/// The signed-in user.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller(pub(crate) UserId);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Identified(identity) = Identified::from_request_parts(parts, state).await?;
        Ok(Self(identity.user))
    }
}

/// The caller with the credential of the call.
#[derive(Debug, Clone)]
pub(crate) struct Identified(pub(crate) Identity);

impl<S: Send + Sync> FromRequestParts<S> for Identified {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let identity = parts.extensions.get::<Identity>().cloned();
        // Routes without a permission have no identity.
        identity.map(Self).ok_or(ApiError::Unauthenticated("nobody is signed in"))
    }
}
