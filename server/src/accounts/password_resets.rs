//! New passwords for those who have forgotten theirs: a link by e-mail, which works once.
//!
//! Whoever asks is answered before anything is looked up, so the answer cannot tell whether there is such an account: a
//! worker finds the account, makes the link and sends it (`worker/src/emails/password_reset.rs`).

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
    passwords::{end_late_comers, owner},
    sign_ins,
};
use crate::{
    audit::note,
    auth::{password_rules, secrets::digest_of},
    http::{error::ApiError, extract::checks::Checks},
};

const VOID: &str = "is not valid any more: ask for another link";

/// Has a link sent to this address, if it is an account's. From the answer on it is not lost.
pub(crate) async fn ask(accounts: &Accounts, email: &str) -> Result<(), ApiError> {
    let mail = &accounts.config.mail;
    if !mail.is_set_up() {
        return Err(ApiError::mail_not_configured());
    }
    let job = NewJob::new(&SendPasswordReset { email: Some(email.to_owned()), link: None });
    if enqueue_bounded(&accounts.pool, &job, mail.queue).await? { Ok(()) } else { Err(ApiError::overloaded()) }
}

/// Sets the password of the account that the link was made for. All its sign-ins end.
pub(crate) async fn set(accounts: &Accounts, by: &By, token: &str, password: String) -> Result<(), ApiError> {
    let digest = digest_of(token);
    let void = || ApiError::field("token", VOID);
    let user = passwords::owner_of_link(&accounts.pool, &digest).await?.ok_or_else(void)?;
    let mut checks = Checks::default();
    password_rules::check(&mut checks, "password", &password, owner(&user));
    checks.done()?;
    let hash = accounts.passwords.hash(password).await?;
    sign_ins::end_all(accounts, user.id, None).await?;
    let mut transaction = accounts.pool.begin().await?;
    let user = passwords::use_link(&mut *transaction, &digest, &hash).await?.ok_or_else(void)?;
    note(&mut *transaction, &by.as_user(user).does("password.reset").on(On::user(user))).await?;
    transaction.commit().await?;
    end_late_comers(accounts, user, None).await;
    tracing::info!(user_id = %user, "a password was set by a link");
    Ok(())
}
