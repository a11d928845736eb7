//! Opens an account, once under one key.

use troupe_core::{
    ids::UserId,
    model::{
        User,
        audit::{By, On},
    },
};
use troupe_db::{accounts::users, operations::idempotency, violated_constraint};

use super::Accounts;
use crate::{
    audit::note,
    http::{
        error::{ApiError, ProblemCode},
        idempotent::Key,
    },
};

/// Who registers.
pub(crate) struct Newcomer<'a> {
    pub(crate) email: &'a str,
    pub(crate) name: &'a str,
    pub(crate) password: String,
}

/// The account, and whether the same call had opened it before.
pub(crate) async fn register(
    accounts: &Accounts,
    by: &By,
    newcomer: Newcomer<'_>,
    key: Option<String>,
) -> Result<(User, bool), ApiError> {
    let Newcomer { email, name, password } = newcomer;
    // The password is not in the fingerprint, which is easier to guess by than the hash that is made for it.
    let key = key.map(|key| Key::new(key, &[b"register", email.as_bytes(), name.as_bytes()]));
    let hash = accounts.passwords.hash(password.clone()).await?;
    let mut transaction = accounts.pool.begin().await?;
    let user = match users::create(&mut *transaction, UserId::new(), email, name, Some(&hash)).await {
        Ok(user) => user,
        Err(error) if violated_constraint(&error) == Some("users_email_key") => {
            drop(transaction);
            let before = registered_before(accounts, email, password, key).await?;
            return before
                .map(|user| (user, true))
                .ok_or_else(|| ApiError::conflict(ProblemCode::EmailTaken, "there is an account with this address"));
        }
        Err(error) => return Err(error.into()),
    };
    if let Some(Key { key, fingerprint }) = key {
        idempotency::take(&mut *transaction, user.id, &key, &fingerprint).await?;
    }
    note(&mut *transaction, &by.as_user(user.id).does("user.registered").on(On::user(user.id))).await?;
    transaction.commit().await?;
    tracing::info!(user_id = %user.id, "registered");
    Ok((user, false))
}

/// The account that this very call had opened: the same key, address, name and password.
async fn registered_before(
    accounts: &Accounts,
    email: &str,
    password: String,
    key: Option<Key>,
) -> Result<Option<User>, ApiError> {
    let (Some(Key { key, fingerprint }), Some(found)) = (key, users::credentials(&accounts.pool, email).await?) else {
        return Ok(None);
    };
    let used = idempotency::find(&accounts.pool, found.user.id, &key).await?;
    let same = used.is_some_and(|used| used.fingerprint == fingerprint)
        && accounts.passwords.verify(password, found.password_hash).await?.right;
    Ok(same.then_some(found.user))
}
