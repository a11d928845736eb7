//! Password resets by a one-time link in an e-mail.
//!
//! The response is sent before any lookup, so it cannot reveal whether there is such an account: a worker finds the
//! account, creates the link and sends it (`worker/src/emails/`).

use troupe_core::{
    jobs::{LinkRequest, SendPasswordReset},
    model::audit::{By, On},
};
use troupe_db::accounts::passwords;

use super::{
    Accounts, emails,
    passwords::{end_concurrent_sign_ins, owner},
    sign_ins,
};
use crate::{
    audit::note,
    auth::{password_rules, secrets::digest_of},
    http::{error::ApiError, extract::validation::Checks},
};

pub(super) const INVALID_LINK: &str = "is not valid any more: ask for another link";

/// Enqueues an e-mail with a link to this address, if it is an account's.
pub(crate) async fn request(accounts: &Accounts, email: &str) -> Result<(), ApiError> {
    emails::enqueue(&accounts.pool, &accounts.config.mail, &SendPasswordReset(LinkRequest::to(email))).await
}

/// Sets the password of the link's account, and ends all its sign-ins. The address is verified by it.
pub(crate) async fn set(accounts: &Accounts, by: &By, token: &str, password: String) -> Result<(), ApiError> {
    let digest = digest_of(token);
    let invalid = || ApiError::field("token", INVALID_LINK);
    let user = passwords::owner_of_link(&accounts.pool, &digest).await?.ok_or_else(invalid)?;
    let mut checks = Checks::default();
    password_rules::check(&mut checks, "password", &password, owner(&user));
    checks.done()?;
    let hash = accounts.passwords.hash(password).await?;
    sign_ins::end_all(accounts, user.id, None).await?;
    let mut transaction = accounts.pool.begin().await?;
    let user = passwords::use_link(&mut *transaction, &digest, &hash).await?.ok_or_else(invalid)?;
    note(&mut *transaction, &by.as_user(user).does("password.reset").on(On::user(user))).await?;
    transaction.commit().await?;
    end_concurrent_sign_ins(accounts, user, None).await;
    tracing::info!(user_id = %user, "a password was set by a link");
    Ok(())
}
