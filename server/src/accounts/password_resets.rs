//! Password resets by a one-time link in an e-mail.
//!
//! The response is sent before any lookup, so it cannot reveal whether there is such an account: a worker finds the
//! account, creates the link and sends it (`worker/src/emails/password_reset.rs`).

use troupe_core::{
    jobs::SendPasswordReset,
    model::audit::{By, On},
};
use troupe_db::{
    accounts::passwords,
    jobs::{NewJob, enqueue::enqueue_bounded},
};

use super::{
    Accounts,
    passwords::{end_concurrent_sign_ins, owner},
    sign_ins,
};
use crate::{
    audit::note,
    auth::{password_rules, secrets::digest_of},
    http::{error::ApiError, extract::validation::Checks},
};

const INVALID_LINK: &str = "is not valid any more: ask for another link";

/// Enqueues an e-mail with a link to this address, if it is an account's.
pub(crate) async fn request(accounts: &Accounts, email: &str) -> Result<(), ApiError> {
    let mail = &accounts.config.mail;
    if !mail.is_set_up() {
        return Err(ApiError::mail_not_configured());
    }
    let job = NewJob::new(&SendPasswordReset { email: Some(email.to_owned()), link: None });
    if enqueue_bounded(&accounts.pool, &job, mail.queue).await? { Ok(()) } else { Err(ApiError::overloaded()) }
}

/// Sets the password of the link's account, and ends all its sign-ins.
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
