//! Verification of an address by a one-time link in an e-mail, after registration (`registration.verify_email`).

use sqlx::PgExecutor;
use troupe_core::{
    config::Mail,
    jobs::{LinkRequest, SendEmailVerification},
    model::audit::{By, On},
};
use troupe_db::accounts::email_verifications;

use super::{Accounts, emails, password_resets::INVALID_LINK};
use crate::{audit::note, auth::secrets::digest_of, http::error::ApiError};

/// Enqueues an e-mail with a link to this address, if it is that of an unverified account.
pub(crate) async fn request(db: impl PgExecutor<'_>, mail: &Mail, email: &str) -> Result<(), ApiError> {
    emails::enqueue(db, mail, &SendEmailVerification(LinkRequest::to(email))).await
}

/// Verifies the address of the link's account.
pub(crate) async fn verify(accounts: &Accounts, by: &By, token: &str) -> Result<(), ApiError> {
    let mut transaction = accounts.pool.begin().await?;
    let verified = email_verifications::use_link(&mut *transaction, &digest_of(token)).await?;
    let user = verified.ok_or_else(|| ApiError::field("token", INVALID_LINK))?;
    note(&mut *transaction, &by.as_user(user).does("email.verified").on(On::user(user))).await?;
    transaction.commit().await?;
    tracing::info!(user_id = %user, "an e-mail address was verified");
    Ok(())
}
