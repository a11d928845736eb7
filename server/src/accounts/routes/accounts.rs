//! Registration, and the signed-in user.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use troupe_core::model::{User, money::Allowance};
use troupe_db::{accounts::users, money::budgets};
use utoipa::ToSchema;

use super::{
    passwords::LinkAsked,
    sign_ins::{SignedIn, respond_signed_in},
};
use crate::{
    accounts::{
        Accounts,
        register::{self, NewAccount, Registered},
    },
    auth::{
        actor::Actor,
        caller::Caller,
        password_rules::{self, Owner},
    },
    http::{
        error::ApiError,
        extract::{
            body::Body,
            device::Device,
            idempotency::{IdempotencyKey, REPLAYED},
            validation::Checks,
        },
    },
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
    /// The code of an invitation, where one is needed.
    #[schema(max_length = 200)]
    invitation: Option<String>,
    /// For browsers: a session by cookie, which scripts cannot read, instead of tokens.
    #[serde(default)]
    session: bool,
}

/// Open an account
///
/// Where addresses are verified, nobody is signed in, and the answer is the same for every address: a link goes to it
/// by mail, unless it has an account already.
#[utoipa::path(post, path = "/auth/register", tag = "accounts", security(()), request_body = Register,
    responses((status = 201, body = SignedIn),
        (status = 202, body = LinkAsked, description = "the address is to be verified first"),
        (status = 403, description = "nobody may open an account, or only with an invitation"),
        (status = 409, description = "the address has an account")))]
pub(crate) async fn register(
    State(accounts): State<Arc<Accounts>>,
    Actor(by): Actor,
    IdempotencyKey(key): IdempotencyKey,
    device: Device,
    headers: HeaderMap,
    Body(Register { email, password, name, invitation, session }): Body<Register>,
) -> Result<Response, ApiError> {
    let (email, name) = (email.trim(), name.trim());
    let mut checks = Checks::default();
    checks.email("email", email).text("name", name, 1..=100);
    password_rules::check(&mut checks, "password", &password, Owner { email, name });
    if let Some(code) = &invitation {
        checks.text("invitation", code, 1..=200);
    }
    checks.done()?;
    let new_account = NewAccount { email, name, password, invitation: invitation.as_deref() };
    let (user, replayed) = match register::register(&accounts, &by, new_account, key).await? {
        Registered::Account { user, replayed } => (user, replayed),
        Registered::LinkRequested => {
            let detail =
                "we sent you an e-mail with a link that verifies your address, unless it has an account already";
            return Ok((StatusCode::ACCEPTED, Json(LinkAsked { detail })).into_response());
        }
    };
    let replayed = replayed.then_some([REPLAYED]);
    let signed_in = respond_signed_in(&accounts, user, session, (&by, &device), &headers).await?;
    Ok((StatusCode::CREATED, replayed, signed_in).into_response())
}

/// The signed-in user
#[utoipa::path(get, path = "/auth/me", tag = "accounts", security(("token" = ["account:read"])), responses((status = 200, body = User)))]
pub(crate) async fn me(State(accounts): State<Arc<Accounts>>, Caller(user): Caller) -> Result<Json<User>, ApiError> {
    let user = users::find(&accounts.pool, user).await?;
    user.map(Json).ok_or(ApiError::Unauthenticated("the account is gone"))
}

/// What the signed-in user may spend today, and has spent
#[utoipa::path(get, path = "/auth/me/budget", tag = "accounts", security(("token" = ["account:read"])), responses((status = 200, body = Allowance)))]
pub(crate) async fn my_budget(
    State(accounts): State<Arc<Accounts>>,
    Caller(user): Caller,
) -> Result<Json<Allowance>, ApiError> {
    let default_limit = accounts.config.models.daily_budget();
    let allowance = budgets::allowance(&accounts.pool, user, default_limit).await?;
    allowance.map(Json).ok_or(ApiError::Unauthenticated("the account is gone"))
}
