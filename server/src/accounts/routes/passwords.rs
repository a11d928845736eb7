//! Password changes, and resets by e-mail.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    accounts::{Accounts, password_resets, passwords},
    auth::{actor::Actor, caller::Identified},
    http::{
        error::ApiError,
        extract::{body::Body, validation::Checks},
    },
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangePassword {
    current_password: String,
    #[schema(example = "correct horse battery staple", min_length = 8, max_length = 200)]
    password: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskForLink {
    #[schema(example = "ada@example.com", max_length = 320)]
    pub(super) email: String,
}

/// An e-mail with a link may be on its way. The same for every address.
#[derive(Serialize, ToSchema)]
pub(crate) struct LinkAsked {
    #[schema(example = "if there is an account with this address, a link is on its way")]
    pub(super) detail: &'static str,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResetPassword {
    /// What follows `#/reset/` in the link.
    token: String,
    #[schema(example = "correct horse battery staple", min_length = 8, max_length = 200)]
    password: String,
}

/// Change your password
///
/// Ends all your other sign-ins.
#[utoipa::path(put, path = "/auth/password", tag = "accounts", security(("token" = ["account:write"])),
    request_body = ChangePassword, responses((status = 204)))]
pub(crate) async fn change_password(
    State(accounts): State<Arc<Accounts>>,
    Identified(identity): Identified,
    Actor(by): Actor,
    Body(ChangePassword { current_password, password }): Body<ChangePassword>,
) -> Result<StatusCode, ApiError> {
    passwords::change(&accounts, &identity, &by, current_password, password).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ask for a link that sets a new password
///
/// It goes to the address by mail, if that is an account's; the answer is the same if not.
#[utoipa::path(post, path = "/auth/password-resets", tag = "accounts", security(()), request_body = AskForLink,
    responses((status = 202, body = LinkAsked)))]
pub(crate) async fn ask_for_reset(
    State(accounts): State<Arc<Accounts>>,
    Body(AskForLink { email }): Body<AskForLink>,
) -> Result<(StatusCode, Json<LinkAsked>), ApiError> {
    let email = email.trim();
    Checks::default().email("email", email).done()?;
    password_resets::request(&accounts, email).await?;
    let detail = "if there is an account with this address, a link is on its way";
    Ok((StatusCode::ACCEPTED, Json(LinkAsked { detail })))
}

/// Set a new password by a link
///
/// The link works once, and only the newest one of an account. Ends all its sign-ins, and verifies its address.
#[utoipa::path(put, path = "/auth/password-resets", tag = "accounts", security(()), request_body = ResetPassword,
    responses((status = 204)))]
pub(crate) async fn reset_password(
    State(accounts): State<Arc<Accounts>>,
    Actor(by): Actor,
    Body(ResetPassword { token, password }): Body<ResetPassword>,
) -> Result<StatusCode, ApiError> {
    password_resets::set(&accounts, &by, &token, password).await?;
    Ok(StatusCode::NO_CONTENT)
}
