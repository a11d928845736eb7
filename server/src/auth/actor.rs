//! Who calls and from where, as the audit log wants it.

use std::convert::Infallible;

use axum::{extract::FromRequestParts, http::request::Parts};
use troupe_core::model::audit::{ActorKind, By};

use super::identity::Identity;
use crate::{
    http::extract::{correlation::CorrelationId, device::Device},
    state::AppState,
};

impl FromRequestParts<AppState> for By {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        let CorrelationId(correlation_id) = CorrelationId::from_request_parts(parts, state).await?;
        let Device { address, .. } = Device::from_request_parts(parts, state).await?;
        let identity = parts.extensions.get::<Identity>();
        let key = identity.map(|identity| identity.credential).filter(|shown| shown.is_key());
        let kind = match (identity, key) {
            (_, Some(_)) => ActorKind::ApiKey,
            (Some(_), None) => ActorKind::User,
            (None, None) => ActorKind::Anonymous,
        };
        let credential = key.map(|key| key.id.to_string());
        let user = identity.map(|identity| identity.user);
        Ok(Self { kind, user, credential, address, correlation_id: Some(correlation_id) })
    }
}
