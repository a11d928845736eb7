//! Authentication, rate limiting and authorization of every call, before its route is called.
//!
//! The permission that a route needs is read from its `OpenAPI` description (`security`), once at start. A route
//! without one is closed to everybody. Handlers get the caller by the extractor [`super::caller::Caller`].

use std::{collections::HashMap, sync::Arc};

use axum::{
    body::{Body, Bytes},
    extract::{FromRequestParts, MatchedPath, Request, State},
    http::{HeaderMap, Method, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::Value;
use troupe_core::model::audit::On;
use troupe_db::accounts::{socket_tickets, users};
use utoipa::openapi::{OpenApi, path::Operation};

use super::{
    Auth,
    actor::Actor,
    api_keys,
    cookie::{SessionCookie, check_origin},
    identity::{CredentialKind, Identity},
    permissions::{Keys, Permission, Roles},
    secrets::digest_of,
    signatures::{self, Call},
};
use crate::{
    audit::note,
    http::{
        error::ApiError,
        extract::read_body::receive,
        limits::{
            concurrency::{WaitPermit, hold_while_streaming},
            rate_limits::Counted,
            route_classes::{Class, Pace, Rate},
        },
        middleware::measured_call::CalledBy,
    },
};

/// The only route that accepts tickets.
const SOCKET_PATH: &str = "/api/v1/ws";
/// Marks a one-time ticket among the subprotocols that a client offers.
const TICKET_PREFIX: &str = "ticket.";

/// What an operation requires of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Nothing,
    Permission(Permission),
    /// Its description is incomplete: every call is refused.
    Unstated,
}

impl Need {
    pub(crate) fn of(operation: &Operation) -> Self {
        let stated = operation.security.as_ref().and_then(|wanted| serde_json::to_value(wanted).ok());
        // Further entries are alternatives with the same permission.
        let Some(wanted) = stated.as_ref().and_then(|stated| stated.get(0)) else { return Self::Unstated };
        if wanted.as_object().is_some_and(serde_json::Map::is_empty) {
            return Self::Nothing;
        }
        let permission = wanted["token"].as_array().and_then(|scopes| match scopes.as_slice() {
            [Value::String(scope)] => scope.parse().ok(),
            _ => None,
        });
        permission.map_or(Self::Unstated, Self::Permission)
    }
}

/// The needs of all routes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Needs(Arc<HashMap<String, Vec<(Method, Need)>>>);

impl Needs {
    pub(crate) fn of(description: &OpenApi) -> Self {
        let needs = description.paths.paths.iter().map(|(path, item)| {
            let operations = [
                (Method::GET, &item.get),
                (Method::PUT, &item.put),
                (Method::POST, &item.post),
                (Method::DELETE, &item.delete),
                (Method::PATCH, &item.patch),
            ];
            let stated = operations
                .into_iter()
                .filter_map(|(method, operation)| operation.as_ref().map(|operation| (method, Need::of(operation))));
            (path.clone(), stated.collect())
        });
        Self(Arc::new(needs.collect()))
    }

    /// `None` for an unknown path or method.
    fn find(&self, path: &str, method: &Method) -> Option<Need> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        self.0.get(path)?.iter().find(|(known, _)| known == method).map(|(_, need)| *need)
    }
}

pub(crate) async fn authenticate_and_authorize(
    State((auth, needs)): State<(Arc<Auth>, Needs)>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let class = request.extensions().get().copied().unwrap_or_else(|| Class::of(&request));
    if class.rate == Rate::Free {
        return next.run(request).await;
    }
    let path = path.as_ref().map_or("", MatchedPath::as_str);
    let need = needs.find(path, request.method()).unwrap_or(Need::Nothing);
    let (mut parts, body) = request.into_parts();
    let (identity, body) = match need {
        Need::Nothing | Need::Unstated => (Ok(None), body),
        Need::Permission(_) => authenticate(&auth, path, class.pace, &parts, body).await,
    };
    // Invalid credentials are counted like none: by address.
    let caller = identity.as_ref().ok().and_then(Option::as_ref).map(Identity::as_user_of_tier);
    let (counted, body) =
        match auth.rate_limiter.count_call(&auth.config.server, class.rate, caller, &parts, body).await {
            Ok(counted) => counted,
            Err(refused) => return refused.into_response(),
        };
    let called_by = caller.map(|caller| CalledBy(caller.user));
    let admitted = async {
        if let Some(refusal) = counted.as_ref().and_then(Counted::refusal) {
            return Err(refusal);
        }
        authorize(&auth, need, path, identity?, class.pace, &mut parts).await
    };
    let mut response = match admitted.await {
        Ok(permit) => hold_while_streaming(next.run(Request::from_parts(parts, body)).await, class.pace, permit),
        Err(refused) => refused.into_response(),
    };
    if let Some(counted) = counted {
        counted.write_headers(&mut response);
    }
    if let Some(called_by) = called_by {
        response.extensions_mut().insert(called_by);
    }
    response
}

/// Checks the caller's permission; for a call that waits, acquires its permit.
async fn authorize(
    auth: &Auth,
    need: Need,
    path: &str,
    identity: Option<Identity>,
    pace: Pace,
    parts: &mut Parts,
) -> Result<Option<WaitPermit>, ApiError> {
    if need == Need::Unstated {
        return Err(ApiError::Internal(format!("{path} does not state what it needs")));
    }
    let Some(identity) = identity else { return Ok(None) };
    let user = identity.user;
    let permitted = match need {
        Need::Permission(permission) => permit(auth, &identity, permission).await,
        Need::Nothing | Need::Unstated => Ok(()),
    };
    parts.extensions.insert(identity);
    if let Err(ApiError::Forbidden { .. }) = permitted {
        let address = On::thing("address", format!("{} {path}", parts.method));
        let Ok(Actor(by)) = Actor::from_request_parts(parts, auth).await;
        note(&auth.pool, &by.does("access.refused").on(address)).await?;
    }
    permitted?;
    match pace {
        Pace::Waits | Pace::Streams | Pace::Replies => auth.concurrency.acquire_wait(user, parts).map(Some),
        Pace::Quick | Pace::Uploads => Ok(None),
    }
}

/// The identity, or why the credentials are refused; and the body, which a signed call reads as a whole.
async fn authenticate(
    auth: &Auth,
    path: &str,
    pace: Pace,
    parts: &Parts,
    body: Body,
) -> (Result<Option<Identity>, ApiError>, Body) {
    let (identity, body) = if signatures::is_signed(&parts.headers) {
        let whole = match read_whole(auth, pace, body).await {
            Ok(whole) => whole,
            Err(refused) => return (Err(refused), Body::empty()),
        };
        let path_and_query = parts.uri.path_and_query().map_or("", |path| path.as_str());
        let call = Call { method: &parts.method, path_and_query, body: &whole };
        (signatures::identify(auth, &parts.headers, &call).await, Body::from(whole))
    } else {
        (identify(auth, path, parts).await, body)
    };
    let identity = identity.and_then(|identity| {
        let revoked = auth.revocations.is_revoked(identity.credential.id);
        if revoked { Err(ApiError::Unauthenticated("the sign-in has ended")) } else { Ok(Some(identity)) }
    });
    (identity, body)
}

async fn read_whole(auth: &Auth, pace: Pace, body: Body) -> Result<Bytes, ApiError> {
    let server = &auth.config.server;
    match pace {
        Pace::Uploads => receive(body, server.max_import.max(server.max_document), server.upload_timeout).await,
        Pace::Replies => receive(body, server.max_history, server.body_timeout).await,
        Pace::Quick | Pace::Waits | Pace::Streams => receive(body, server.max_body, server.body_timeout).await,
    }
}

async fn identify(auth: &Auth, path: &str, parts: &Parts) -> Result<Identity, ApiError> {
    if let Some(token) = bearer(&parts.headers) {
        match api_keys::prefix_of(token) {
            Some(prefix) => api_keys::identify(auth, token, prefix).await,
            None => auth.tokens.verify(token).await,
        }
    } else if path == SOCKET_PATH
        && let Some(ticket) = ticket(&parts.headers)
    {
        let redeemed = socket_tickets::redeem(&auth.pool, &digest_of(ticket)).await?;
        let identity = redeemed.and_then(|identity| serde_json::from_value(identity).ok());
        identity.ok_or(ApiError::Unauthenticated("the ticket is not valid, or was used"))
    } else if let Some(cookie) = SessionCookie::read(&parts.headers, auth.config.server.public_url.as_ref()) {
        check_origin(&parts.method, &parts.headers, auth.config.server.public_url.as_ref())?;
        let session = auth.sessions.touch(cookie.user, cookie.id, &digest_of(cookie.secret)).await?;
        let idle = auth.config.auth.session_ttl;
        session
            .map(|session| Identity::of_browser(session, idle))
            .ok_or(ApiError::Unauthenticated("the session has ended"))
    } else {
        Err(ApiError::Unauthenticated(if path == SOCKET_PATH {
            "an Authorization header, a session or a ticket as second subprotocol is needed"
        } else {
            "an Authorization: Bearer header or a session is needed"
        }))
    }
}

/// Checks a permission. Those of admins look the role up on each call, so that a revoked role takes effect at once.
pub(crate) async fn permit(auth: &Auth, identity: &Identity, permission: Permission) -> Result<(), ApiError> {
    if !identity.credential.scopes.contain(permission) {
        return Err(ApiError::out_of_scope(permission.name()));
    }
    if permission.keys() == Keys::Signed && identity.credential.kind == CredentialKind::Key {
        return Err(ApiError::signature_required());
    }
    if permission.roles() == Roles::Everybody {
        return Ok(());
    }
    match users::role(&auth.pool, identity.user).await? {
        Some(role) if permission.roles().include(role) => Ok(()),
        Some(_) => Err(ApiError::admins_only()),
        None => Err(ApiError::Unauthenticated("the account is gone")),
    }
}

/// Some programs for `/v1` send it as `X-Api-Key`.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return headers.get("x-api-key")?.to_str().ok();
    };
    let value = value.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn ticket(headers: &HeaderMap) -> Option<&str> {
    let offered = headers.get(header::SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    offered.split(',').find_map(|protocol| protocol.trim().strip_prefix(TICKET_PREFIX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_states_a_need() {
        let needs = Needs::of(&crate::openapi());
        for (path, operations) in needs.0.iter() {
            for (method, need) in operations {
                assert_ne!(*need, Need::Unstated, "{method} {path} does not state which permission it needs");
                let open = matches!(need, Need::Permission(permission) if permission.roles() == Roles::Everybody);
                let closed = matches!(need, Need::Permission(_)) && !open;
                assert_eq!(path.starts_with("/api/v1/admin/"), closed, "{method} {path} needs {need:?}");
            }
        }
    }
}
