//! A browser's subscription: the key that it is bound to, adding it, removing it.

use std::sync::Arc;

use axum::{
    Json,
    extract::{FromRef, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use troupe_core::{
    adapters::outgoing,
    web_push::{PUBLIC_KEY_BYTES, SECRET_BYTES, VapidKey, decode},
};
use troupe_db::accounts::push_subscriptions::{self, Subscription};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Push;
use crate::{
    auth::caller::Caller,
    http::{
        error::ApiError,
        extract::{body::Body, validation::Checks},
    },
};

/// Browsers of one user.
const MAX_SUBSCRIPTIONS: i64 = 20;

/// The key that browsers bind a subscription to.
#[derive(Serialize, ToSchema)]
pub(crate) struct PushKey {
    /// For `applicationServerKey`: base64url.
    public_key: String,
}

/// What a browser's `PushSubscription` says.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Subscribe {
    #[schema(example = "https://push.example.org/send/abc", min_length = 1, max_length = 2000)]
    endpoint: String,
    keys: SubscriptionKeys,
    /// The language of what it is told.
    #[schema(example = "de", min_length = 1, max_length = 35)]
    language: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubscriptionKeys {
    /// Its public key: 65 bytes in base64url.
    p256dh: String,
    /// Its secret: 16 bytes in base64url.
    auth: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Unsubscribe {
    #[schema(min_length = 1, max_length = 2000)]
    endpoint: String,
}

/// The key for browsers that want to be told of replies
#[utoipa::path(get, path = "/push/key", tag = "push", security(("token" = ["chat:read"])),
    responses((status = 200, body = PushKey), (status = 404, description = "this installation sends none")))]
pub(crate) async fn key(State(push): State<Arc<Push>>, Caller(_user): Caller) -> Result<Json<PushKey>, ApiError> {
    if !push.config.push.enabled {
        return Err(ApiError::NotFound("push service: it is switched off"));
    }
    let key = signing_key(&push).await?;
    Ok(Json(PushKey { public_key: key.public() }))
}

/// The key that notifications are signed with, made when it is first wanted.
async fn signing_key(push: &Push) -> Result<VapidKey, ApiError> {
    let fault = |error: &dyn std::fmt::Display| ApiError::Internal(format!("no key for push: {error}"));
    let pkcs8 = if let Some(known) = push_subscriptions::key(&push.pool).await? {
        known
    } else {
        let made = VapidKey::make().map_err(|error| fault(&error))?;
        push_subscriptions::keep_key(&push.pool, &made).await?
    };
    VapidKey::read(&pkcs8).map_err(|error| fault(&error))
}

/// Tell this browser of replies
///
/// While none of the user's sockets is open. The same again changes nothing.
#[utoipa::path(put, path = "/push/subscriptions", tag = "push", security(("token" = ["chat:read"])), request_body = Subscribe,
    responses((status = 204), (status = 404, description = "this installation sends none")))]
pub(crate) async fn subscribe(
    State(push): State<Arc<Push>>,
    Caller(user): Caller,
    Body(Subscribe { endpoint, keys, language }): Body<Subscribe>,
) -> Result<StatusCode, ApiError> {
    if !push.config.push.enabled {
        return Err(ApiError::NotFound("push service: it is switched off"));
    }
    let (p256dh, auth) = (decode(&keys.p256dh).unwrap_or_default(), decode(&keys.auth).unwrap_or_default());
    let mut checks = Checks::default();
    checks.text("endpoint", &endpoint, 1..=2000);
    if let Err(error) = outgoing::validate(&push.config.outgoing, &endpoint) {
        checks.rule(false, "endpoint", error.to_string());
    }
    checks.rule(
        p256dh.len() == PUBLIC_KEY_BYTES && p256dh[0] == 4,
        "keys.p256dh",
        "must be an uncompressed point in base64url",
    );
    checks.rule(auth.len() == SECRET_BYTES, "keys.auth", "must be 16 bytes in base64url");
    if let Some(language) = &language {
        checks.text("language", language, 1..=35);
    }
    checks.done()?;
    // Workers only look for it.
    signing_key(&push).await?;
    let new = Subscription { endpoint, p256dh, auth, language };
    push_subscriptions::add(&push.pool, user, &new, MAX_SUBSCRIPTIONS).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Tell this browser no more
#[utoipa::path(delete, path = "/push/subscriptions", tag = "push", security(("token" = ["chat:read"])), request_body = Unsubscribe,
    responses((status = 204), (status = 404, description = "no such browser of yours")))]
pub(crate) async fn unsubscribe(
    State(push): State<Arc<Push>>,
    Caller(user): Caller,
    Body(Unsubscribe { endpoint }): Body<Unsubscribe>,
) -> Result<StatusCode, ApiError> {
    Checks::default().text("endpoint", &endpoint, 1..=2000).done()?;
    if push_subscriptions::remove(&push.pool, user, &endpoint).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::NotFound("browser of yours"))
    }
}

pub(crate) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Push>: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(key)).routes(routes!(subscribe, unsubscribe))
}
