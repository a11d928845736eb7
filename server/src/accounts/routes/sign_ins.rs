//! Sign-in, sign-out, and the list of sign-ins.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use troupe_core::{
    ids::CredentialId,
    model::{
        User,
        audit::{By, On},
    },
};
use troupe_db::accounts::sign_ins as stored;
use utoipa::ToSchema;

use crate::{
    accounts::{
        Accounts, passwords, sign_ins,
        sign_ins::{NewSession, TokenPair},
    },
    audit::note,
    auth::{
        actor::Actor,
        caller::Identified,
        cookie::{self, SessionCookie},
        identity::CredentialKind,
        secrets::digest_of,
    },
    http::{
        error::ApiError,
        extract::{body::Body, device::Device, path::Id},
    },
};

const TAG: &str = "accounts";

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    #[schema(example = "ada@example.com")]
    email: String,
    #[schema(example = "correct horse battery staple")]
    password: String,
    /// For browsers: a session by cookie, which scripts cannot read, instead of tokens.
    #[serde(default)]
    session: bool,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refresh {
    refresh_token: String,
}

/// A user who has just signed in: with tokens, or, where a session was asked for, with a cookie.
#[derive(Serialize, ToSchema)]
pub(crate) struct SignedIn {
    user: User,
    #[serde(flatten)]
    tokens: Option<Tokens>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Tokens {
    /// For `Authorization: Bearer`.
    access_token: String,
    /// Seconds that it lasts.
    expires_in: u64,
    /// For `POST /auth/refresh`, once.
    refresh_token: String,
}

impl From<TokenPair> for Tokens {
    fn from(pair: TokenPair) -> Self {
        Self { access_token: pair.access, expires_in: pair.expires_in, refresh_token: pair.refresh }
    }
}

/// Signs a user in after the password was verified. The browser's earlier session ends, against session fixation.
pub(crate) async fn respond_signed_in(
    accounts: &Accounts,
    user: User,
    session: bool,
    (by, device): (&By, &Device),
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    if !session {
        let tokens = sign_ins::begin(accounts, &user, device).await?.into();
        return Ok(Json(SignedIn { user, tokens: Some(tokens) }).into_response());
    }
    let public_url = accounts.config.server.public_url.as_ref();
    cookie::check_origin(&Method::POST, headers, public_url)?;
    if let Some(earlier) = SessionCookie::read(headers, public_url)
        && accounts.auth.sessions.touch(earlier.user, earlier.id, &digest_of(earlier.secret)).await?.is_some()
    {
        sign_ins::end(accounts, &by.as_user(earlier.user), earlier.user, earlier.id).await?;
    }
    let NewSession { id, secret } = sign_ins::begin_in_browser(accounts, &user, device).await?;
    let cookie = SessionCookie { user: user.id, id, secret: &secret };
    let cookie = cookie.set(headers, public_url, accounts.config.auth.sign_in_ttl.as_secs())?;
    Ok(([(header::SET_COOKIE, cookie)], Json(SignedIn { user, tokens: None })).into_response())
}

/// Sign in
#[utoipa::path(post, path = "/auth/login", tag = TAG, security(()), request_body = Login,
    responses((status = 200, body = SignedIn), (status = 401, description = "wrong address or password"),
        (status = 403, description = "a session was asked for by another site's page")))]
pub(crate) async fn login(
    State(accounts): State<Arc<Accounts>>,
    Actor(by): Actor,
    device: Device,
    headers: HeaderMap,
    Body(Login { email, password, session }): Body<Login>,
) -> Result<Response, ApiError> {
    let user = passwords::check(&accounts, &by, &email, password).await?;
    note(&accounts.pool, &by.as_user(user.id).does("sign_in").on(On::user(user.id))).await?;
    respond_signed_in(&accounts, user, session, (&by, &device), &headers).await
}

/// Get the next tokens
///
/// A refresh token is used once. One that comes again, later than a moment after its use, ends the sign-in.
#[utoipa::path(post, path = "/auth/refresh", tag = TAG, security(()), request_body = Refresh,
    responses((status = 200, body = Tokens), (status = 401, description = "the token is not valid, or was used")))]
pub(crate) async fn refresh(
    State(accounts): State<Arc<Accounts>>,
    Actor(by): Actor,
    Body(Refresh { refresh_token }): Body<Refresh>,
) -> Result<Json<Tokens>, ApiError> {
    sign_ins::refresh(&accounts, &by, &refresh_token).await.map(|pair| Json(pair.into()))
}

/// Sign out
///
/// Ends the sign-in that is shown: its tokens, its session, its sockets.
#[utoipa::path(post, path = "/auth/logout", tag = TAG, security(("token" = ["account:write"])), responses((status = 204)))]
pub(crate) async fn logout(
    State(accounts): State<Arc<Accounts>>,
    Identified(identity): Identified,
    Actor(by): Actor,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    sign_ins::end(&accounts, &by, identity.user, identity.credential.id).await?;
    let mut done = StatusCode::NO_CONTENT.into_response();
    if identity.credential.kind == CredentialKind::Session {
        let gone = cookie::removed(&headers, accounts.config.server.public_url.as_ref())?;
        done.headers_mut().insert(header::SET_COOKIE, gone);
    }
    Ok(done)
}

#[derive(Serialize, ToSchema)]
pub(crate) struct SignInView {
    id: CredentialId,
    kind: CredentialKind,
    created_at: DateTime<Utc>,
    last_used_at: DateTime<Utc>,
    /// At the latest.
    ends_at: DateTime<Utc>,
    /// What the client called itself.
    #[schema(example = "Mozilla/5.0 …")]
    agent: Option<String>,
    address: Option<String>,
    /// The one of this call.
    current: bool,
}

/// Everything that is signed in, the newest first
#[utoipa::path(get, path = "/auth/sign-ins", tag = TAG, security(("token" = ["account:read"])),
    responses((status = 200, body = Vec<SignInView>)))]
pub(crate) async fn list_sign_ins(
    State(accounts): State<Arc<Accounts>>,
    Identified(identity): Identified,
) -> Result<Json<Vec<SignInView>>, ApiError> {
    let current = identity.credential.id;
    let (tokens, browsers) =
        tokio::try_join!(async { Ok::<_, ApiError>(stored::list(&accounts.pool, identity.user).await?) }, async {
            Ok(accounts.auth.sessions.list(identity.user).await?)
        })?;
    let tokens = tokens.into_iter().map(|sign_in| SignInView {
        id: sign_in.id,
        kind: CredentialKind::Token,
        created_at: sign_in.created_at,
        last_used_at: sign_in.last_used_at,
        ends_at: sign_in.expires_at,
        agent: sign_in.agent,
        address: sign_in.address,
        current: sign_in.id == current,
    });
    let browsers = browsers.into_iter().map(|session| SignInView {
        id: session.id,
        kind: CredentialKind::Session,
        created_at: session.created_at,
        last_used_at: session.last_used_at,
        ends_at: session.ends_at,
        agent: session.agent,
        address: session.address,
        current: session.id == current,
    });
    let mut all: Vec<_> = tokens.chain(browsers).collect();
    all.sort_by_key(|sign_in| std::cmp::Reverse(sign_in.id));
    Ok(Json(all))
}

/// End a sign-in
#[utoipa::path(delete, path = "/auth/sign-ins/{id}", tag = TAG, security(("token" = ["account:write"])),
    params(("id" = CredentialId, Path)), responses((status = 204), (status = 404, description = "no such sign-in of yours")))]
pub(crate) async fn end_sign_in(
    State(accounts): State<Arc<Accounts>>,
    Identified(identity): Identified,
    Actor(by): Actor,
    Id(id): Id<CredentialId>,
) -> Result<StatusCode, ApiError> {
    let ended = sign_ins::end(&accounts, &by, identity.user, id).await?;
    if ended { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::NotFound("sign-in")) }
}

/// End all other sign-ins
#[utoipa::path(delete, path = "/auth/sign-ins", tag = TAG, security(("token" = ["account:write"])), responses((status = 204)))]
pub(crate) async fn end_other_sign_ins(
    State(accounts): State<Arc<Accounts>>,
    Identified(identity): Identified,
    Actor(by): Actor,
) -> Result<StatusCode, ApiError> {
    sign_ins::end_others(&accounts, &by, &identity).await?;
    Ok(StatusCode::NO_CONTENT)
}
