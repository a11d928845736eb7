//! The actor of a call for the audit log: user or key, address, correlation id.

use std::convert::Infallible;

use axum::{extract::FromRequestParts, http::request::Parts};
use troupe_core::model::audit::{ActorKind, By};

use super::identity::Identity;
use crate::http::extract::{correlation::CorrelationId, device::Device};

/// The actor of a call.
pub(crate) struct Actor(pub(crate) By);

impl<S: Send + Sync> FromRequestParts<S> for Actor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let CorrelationId(correlation_id) = CorrelationId::from_request_parts(parts, state).await?;
        let Device { address, .. } = Device::from_request_parts(parts, state).await?;
        let identity = parts.extensions.get::<Identity>();
        let key = identity.map(|identity| identity.credential).filter(|credential| credential.is_key());
        let kind = match (identity, key) {
            (_, Some(_)) => ActorKind::ApiKey,
            (Some(_), None) => ActorKind::User,
            (None, None) => ActorKind::Anonymous,
        };
        let credential = key.map(|key| key.id.to_string());
        let user = identity.map(|identity| identity.user);
        Ok(Self(By { kind, user, credential, address, correlation_id: Some(correlation_id) }))
    }
}
