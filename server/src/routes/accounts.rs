//! Accounts: register, sign in, and who am I.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use troupe_shared::{
    db::{budgets, users},
    model::{User, money::Allowance},
};
use utoipa::ToSchema;

use crate::{
    error::ApiError,
    extract::{
        auth::Caller,
        body::Body,
        checks::Checks,
        idempotency::{IdempotencyKey, REPLAYED},
    },
    state::AppState,
    usecase::register::{self, Newcomer},
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Register {
    #[schema(example = "ada@example.com", max_length = 320)]
    email: String,
    #[schema(example = "correct horse battery staple", min_length = 8, max_length = 200)]
    password: String,
    #[schema(example = "Ada", min_length = 1, max_length = 100)]
    name: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    #[schema(example = "ada@example.com")]
    email: String,
    #[schema(example = "correct horse battery staple")]
    password: String,
}

/// A user who has just signed in.
#[derive(Serialize, ToSchema)]
pub(crate) struct SignedIn {
    user: User,
    /// For `Authorization: Bearer`.
    access_token: String,
    /// Seconds.
    expires_in: u64,
}

fn sign_in(state: &AppState, user: User) -> Result<SignedIn, ApiError> {
    let issued = state.tokens.issue(user.id)?;
    Ok(SignedIn { user, access_token: issued.token, expires_in: issued.expires_in.as_secs() })
}

/// Open an account
#[utoipa::path(post, path = "/auth/register", tag = "accounts", security(()), request_body = Register,
    responses((status = 201, body = SignedIn), (status = 409, description = "the address has an account")))]
pub(crate) async fn register(
    State(state): State<AppState>,
    IdempotencyKey(key): IdempotencyKey,
    Body(Register { email, password, name }): Body<Register>,
) -> Result<Response, ApiError> {
    let email = email.trim();
    Checks::default()
        .text("email", email, 3..=320)
        .rule(is_address(email), "email", "must be an e-mail address")
        .text("password", &password, 8..=200)
        .text("name", &name, 1..=100)
        .done()?;
    let (user, replayed) = register::register(&state, Newcomer { email, name: name.trim(), password }, key).await?;
    let replayed = replayed.then_some([REPLAYED]);
    Ok((StatusCode::CREATED, replayed, Json(sign_in(&state, user)?)).into_response())
}

/// Something before an @ and a domain after it; whether it can be reached, only a letter tells.
fn is_address(email: &str) -> bool {
    let Some((local, domain)) = email.rsplit_once('@') else { return false };
    !local.is_empty() && !domain.is_empty() && !email.chars().any(|c| c.is_whitespace() || c.is_control())
}

/// Sign in
#[utoipa::path(post, path = "/auth/login", tag = "accounts", security(()), request_body = Login,
    responses((status = 200, body = SignedIn), (status = 401, description = "wrong address or password")))]
pub(crate) async fn login(
    State(state): State<AppState>,
    Body(Login { email, password }): Body<Login>,
) -> Result<Json<SignedIn>, ApiError> {
    let found = if email.contains('\0') { None } else { users::credentials(&state.pool, email.trim()).await? };
    let (user, hash) = found.map(|found| (found.user, found.password_hash)).unzip();
    let right = state.passwords.verify(password, hash).await?;
    match user {
        Some(user) if right => Ok(Json(sign_in(&state, user)?)),
        _ => Err(ApiError::Unauthenticated("the address or the password is wrong")),
    }
}

/// The signed-in user
#[utoipa::path(get, path = "/auth/me", tag = "accounts", responses((status = 200, body = User)))]
pub(crate) async fn me(State(state): State<AppState>, Caller(user): Caller) -> Result<Json<User>, ApiError> {
    let user = users::find(&state.pool, user).await?;
    user.map(Json).ok_or(ApiError::Unauthenticated("the account is gone"))
}

/// What the signed-in user may spend today, and has spent
#[utoipa::path(get, path = "/auth/me/budget", tag = "accounts", responses((status = 200, body = Allowance)))]
pub(crate) async fn my_budget(
    State(state): State<AppState>,
    Caller(user): Caller,
) -> Result<Json<Allowance>, ApiError> {
    let allowance = budgets::allowance(&state.pool, user).await?;
    allowance.map(Json).ok_or(ApiError::Unauthenticated("the account is gone"))
}
