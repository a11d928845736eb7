//! Password verification at sign-in, and password changes.

use tokio::time::{Instant, sleep_until};
use troupe_core::{
    ids::{CredentialId, UserId},
    metrics::OutcomeLabel,
    model::{
        User,
        audit::{By, On},
    },
};
use troupe_db::accounts::{passwords, users};

use super::{Accounts, sign_ins};
use crate::{
    audit::note,
    auth::{
        identity::Identity,
        password_rules::{self, Owner},
        passwords::Verified,
    },
    http::{
        error::{ApiError, ProblemCode},
        extract::validation::Checks,
    },
    metrics::AUTH,
};

/// The user with this address and password. A refusal reveals nothing else, and takes a constant time; only where both
/// are right it may say that the address is not verified yet.
pub(crate) async fn check(accounts: &Accounts, by: &By, email: &str, password: String) -> Result<User, ApiError> {
    let checked = verify(accounts, by, email, password).await;
    let outcome = match &checked {
        Ok(_) => "signed_in",
        Err(ApiError::Unauthenticated(_) | ApiError::Forbidden { .. }) => "refused",
        Err(_) => "failed",
    };
    AUTH.sign_ins.get_or_create(&OutcomeLabel { outcome }).inc();
    checked
}

async fn verify(accounts: &Accounts, by: &By, email: &str, password: String) -> Result<User, ApiError> {
    let refused_at = Instant::now() + accounts.config.auth.refusal_time;
    let found =
        if email.contains('\0') { None } else { users::credentials_by_email(&accounts.pool, email.trim()).await? };
    let email_verified = found.as_ref().is_some_and(|found| found.email_verified);
    let (user, hash) = found.map(|found| (found.user, found.password_hash)).unzip();
    let hash = hash.flatten();
    let Verified { right, better } = accounts.passwords.verify(password, hash.clone()).await?;
    let on = user.as_ref().map(|user| On::user(user.id));
    let Some(user) = user.filter(|_| right) else {
        note(&accounts.pool, &by.does("sign_in.refused").maybe_on(on)).await?;
        sleep_until(refused_at).await;
        return Err(ApiError::Unauthenticated("the address or the password is wrong"));
    };
    if accounts.config.registration.verify_email && !email_verified {
        note(&accounts.pool, &by.does("sign_in.refused").maybe_on(on).after(ProblemCode::EmailUnverified.name()))
            .await?;
        return Err(ApiError::email_unverified());
    }
    if let (Some(better), Some(hash)) = (better, hash) {
        match passwords::improve(&accounts.pool, user.id, &hash, &better).await {
            Ok(()) => tracing::info!(user_id = %user.id, "a password has a stronger hash now"),
            // The next sign-in retries it.
            Err(error) => tracing::warn!(user_id = %user.id, %error, "a stronger hash could not be stored"),
        }
    }
    Ok(user)
}

/// Changes a password after verifying the current one. All other sign-ins end.
pub(crate) async fn change(
    accounts: &Accounts,
    caller: &Identity,
    by: &By,
    current: String,
    password: String,
) -> Result<(), ApiError> {
    let user = caller.user;
    let found = users::credentials_by_id(&accounts.pool, user).await?;
    let found = found.ok_or(ApiError::Unauthenticated("the account is gone"))?;
    let mut checks = Checks::default();
    password_rules::check(&mut checks, "password", &password, owner(&found.user));
    checks.done()?;
    if !accounts.passwords.verify(current, found.password_hash).await?.right {
        note(&accounts.pool, &by.does("password.change_refused").on(On::user(user))).await?;
        return Err(ApiError::field("current_password", "is not your password"));
    }
    let hash = accounts.passwords.hash(password).await?;
    sign_ins::end_all(accounts, user, Some(caller.credential.id)).await?;
    let mut transaction = accounts.pool.begin().await?;
    passwords::set(&mut *transaction, user, &hash).await?;
    note(&mut *transaction, &by.does("password.changed").on(On::user(user))).await?;
    transaction.commit().await?;
    end_concurrent_sign_ins(accounts, user, Some(caller.credential.id)).await;
    tracing::info!(user_id = %user, "a password was changed");
    Ok(())
}

/// Ends sign-ins that began with the old password while the new one was stored. All others have ended before the
/// change: a failure there leaves the old password, and is reported to the user.
pub(crate) async fn end_concurrent_sign_ins(accounts: &Accounts, user: UserId, except: Option<CredentialId>) {
    if let Err(error) = sign_ins::end_all(accounts, user, except).await {
        tracing::error!(user_id = %user, ?error, "sign-ins of the last moment could not be ended");
    }
}

pub(crate) fn owner(user: &User) -> Owner<'_> {
    Owner { email: &user.email, name: &user.name }
}
