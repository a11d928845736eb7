//! Verification of e-mail addresses.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

use super::passwords::{AskForLink, LinkAsked};
use crate::{
    accounts::{Accounts, email_verifications},
    auth::actor::Actor,
    http::{
        error::ApiError,
        extract::{body::Body, validation::Checks},
    },
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VerifyEmail {
    /// What follows `#/verify/` in the link.
    token: String,
}

/// Ask for another link that verifies an address
///
/// It goes to the address by mail, if that is an unverified account's; the answer is the same if not.
#[utoipa::path(post, path = "/auth/email-verifications", tag = "accounts", security(()), request_body = AskForLink,
    responses((status = 202, body = LinkAsked)))]
pub(crate) async fn ask_for_verification(
    State(accounts): State<Arc<Accounts>>,
    Body(AskForLink { email }): Body<AskForLink>,
) -> Result<(StatusCode, Json<LinkAsked>), ApiError> {
    let email = email.trim();
    Checks::default().email("email", email).done()?;
    email_verifications::request(&accounts.pool, &accounts.config.mail, email).await?;
    let detail = "if there is an account with this address that is not verified yet, a link is on its way";
    Ok((StatusCode::ACCEPTED, Json(LinkAsked { detail })))
}

/// Verify an address by a link
///
/// The link works once, and only the newest one of an account. It signs nobody in.
#[utoipa::path(put, path = "/auth/email-verifications", tag = "accounts", security(()), request_body = VerifyEmail,
    responses((status = 204)))]
pub(crate) async fn verify_email(
    State(accounts): State<Arc<Accounts>>,
    Actor(by): Actor,
    Body(VerifyEmail { token }): Body<VerifyEmail>,
) -> Result<StatusCode, ApiError> {
    email_verifications::verify(&accounts, &by, &token).await?;
    Ok(StatusCode::NO_CONTENT)
}
