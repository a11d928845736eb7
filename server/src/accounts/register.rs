//! Registration, idempotent by key: open, by invitation, or closed (`registration.mode`). Where addresses are verified
//! (`registration.verify_email`), the answer is the same for every address, and nobody is signed in.

use serde_json::json;
use troupe_core::{
    config::{Registration, RegistrationMode},
    ids::UserId,
    model::{
        User,
        audit::{By, On},
    },
};
use troupe_db::{
    accounts::{email_verifications, invitations, users},
    operations::idempotency,
    violated_constraint,
};

use super::{Accounts, email_verifications as verification_emails};
use crate::{
    audit::note,
    auth::secrets::digest_of,
    http::{
        error::{ApiError, ProblemCode},
        idempotent::Key,
    },
};

/// The account to create.
pub(crate) struct NewAccount<'a> {
    pub(crate) email: &'a str,
    pub(crate) name: &'a str,
    pub(crate) password: String,
    pub(crate) invitation: Option<&'a str>,
}

/// What a registration has led to.
pub(crate) enum Registered {
    /// An account; `replayed` where an earlier call has created it.
    Account { user: User, replayed: bool },
    /// A link to the address, unless that is a verified account's.
    LinkRequested,
}

/// Creates an account.
pub(crate) async fn register(
    accounts: &Accounts,
    by: &By,
    new_account: NewAccount<'_>,
    key: Option<String>,
) -> Result<Registered, ApiError> {
    let NewAccount { email, name, password, invitation } = new_account;
    // Without the password: the fingerprint is a fast hash, by which it could be guessed.
    let key = key.map(|key| Key::new(key, &[b"register", email.as_bytes(), name.as_bytes()]));
    let Registration { mode, verify_email, .. } = accounts.config.registration;
    let registered =
        |user, replayed| if verify_email { Registered::LinkRequested } else { Registered::Account { user, replayed } };
    let invitation = required_invitation(mode, invitation)?;
    if let Some(code) = &invitation
        && !invitations::is_valid(&accounts.pool, code).await?
    {
        // Checked before hashing. The invitation may have been used by an earlier call with the same key.
        let before = find_replay(accounts, email, password, key).await?;
        return before.map(|user| registered(user, true)).ok_or_else(ApiError::invitation_invalid);
    }
    let hash = accounts.passwords.hash(password.clone()).await?;
    let mut transaction = accounts.pool.begin().await?;
    let user = match users::create(&mut *transaction, UserId::new(), email, name, Some(&hash)).await {
        Ok(user) => user,
        Err(error) if violated_constraint(&error) == Some("users_email_key") => {
            drop(transaction);
            if verify_email {
                verification_emails::request(&accounts.pool, &accounts.config.mail, email).await?;
                return Ok(Registered::LinkRequested);
            }
            let before = find_replay(accounts, email, password, key).await?;
            return before
                .map(|user| registered(user, true))
                .ok_or_else(|| ApiError::conflict(ProblemCode::EmailTaken, "there is an account with this address"));
        }
        Err(error) => return Err(error.into()),
    };
    if let Some(Key { key, fingerprint }) = key {
        idempotency::take(&mut *transaction, user.id, &key, &fingerprint).await?;
    }
    let by = by.as_user(user.id);
    let mut act = by.does("user.registered").on(On::user(user.id));
    if let Some(code) = &invitation {
        // It may have been used concurrently since the check.
        let taken = invitations::take(&mut *transaction, code, user.id).await?;
        act = act.after(json!({"invitation": taken.ok_or_else(ApiError::invitation_invalid)?}));
    }
    note(&mut *transaction, &act).await?;
    if verify_email {
        email_verifications::require(&mut *transaction, user.id).await?;
        verification_emails::request(&mut *transaction, &accounts.config.mail, email).await?;
    }
    transaction.commit().await?;
    tracing::info!(user_id = %user.id, "registered");
    Ok(registered(user, false))
}

/// The digest of the required invitation code; `None` where none is required.
fn required_invitation(mode: RegistrationMode, code: Option<&str>) -> Result<Option<Vec<u8>>, ApiError> {
    match mode {
        RegistrationMode::Open => Ok(None),
        RegistrationMode::Invited => code.map(|code| Some(digest_of(code))).ok_or_else(ApiError::invitation_required),
        RegistrationMode::Closed => Err(ApiError::registration_closed()),
    }
}

/// The account that an earlier call with the same key, address, name and password created.
async fn find_replay(
    accounts: &Accounts,
    email: &str,
    password: String,
    key: Option<Key>,
) -> Result<Option<User>, ApiError> {
    let (Some(Key { key, fingerprint }), Some(found)) =
        (key, users::credentials_by_email(&accounts.pool, email).await?)
    else {
        return Ok(None);
    };
    let used = idempotency::find(&accounts.pool, found.user.id, &key).await?;
    let same = used.is_some_and(|used| used.fingerprint == fingerprint)
        && accounts.passwords.verify(password, found.password_hash).await?.right;
    Ok(same.then_some(found.user))
}
