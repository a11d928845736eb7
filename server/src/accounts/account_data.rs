//! Starts exports of a user's data and deletions of accounts. Workers run both.

use bytes::Bytes;
use futures::{Stream, stream};
use sqlx::{PgConnection, PgPool};
use troupe_core::{
    ids::{AccountJobId, UserId},
    model::{
        account_data::{AccountJob, AccountJobKind},
        audit::{By, On},
    },
};
use troupe_db::accounts::{account_jobs, admin_users, api_keys, deletions, users};

use super::{Accounts, sign_ins};
use crate::{
    audit::note,
    http::error::{ApiError, ProblemCode},
};

pub(crate) const NO_USER: ApiError = ApiError::NotFound("user");

/// Starts an export. Earlier ones are removed: one is kept per user.
pub(crate) async fn start_export(db: &mut PgConnection, by: &By, user: UserId) -> Result<AccountJob, ApiError> {
    users::find(&mut *db, user).await?.ok_or(NO_USER)?;
    let started = account_jobs::start(&mut *db, AccountJobId::new(), user, AccountJobKind::Export).await?;
    let job = started.ok_or_else(|| {
        ApiError::conflict(ProblemCode::ExportUnderWay, "an export of this account is under way already")
    })?;
    account_jobs::forget_exports(&mut *db, user).await?;
    note(&mut *db, &by.does("account.export_started").on(On::thing("export", job.id).of(user))).await?;
    Ok(job)
}

/// Verifies the password of the account; a failure is audited.
pub(crate) async fn confirm(accounts: &Accounts, by: &By, user: UserId, password: String) -> Result<(), ApiError> {
    let hash = users::credentials_by_id(&accounts.pool, user).await?.and_then(|found| found.password_hash);
    if accounts.passwords.verify(password, hash).await?.right {
        return Ok(());
    }
    note(&accounts.pool, &by.does("account.close_refused").on(On::user(user))).await?;
    Err(ApiError::field("password", "is not the password of this account"))
}

/// Closes an account at once, and starts the deletion of its data.
pub(crate) async fn close(accounts: &Accounts, by: &By, user: UserId) -> Result<AccountJob, ApiError> {
    let mut transaction = accounts.pool.begin().await?;
    if admin_users::lock_admins(&mut *transaction).await? == [user] {
        return Err(ApiError::conflict(
            ProblemCode::LastAdmin,
            "this is the last admin's account: make somebody else one first",
        ));
    }
    // Before, so that a failure of Redis leaves nothing half done; and after, for concurrent sign-ins.
    sign_ins::end_all(accounts, user, None).await?;
    if !deletions::close(&mut *transaction, user).await? {
        return Err(NO_USER);
    }
    let started = account_jobs::start(&mut transaction, AccountJobId::new(), user, AccountJobKind::Deletion).await?;
    let job = started.ok_or(NO_USER)?;
    let keys = api_keys::delete_all(&mut *transaction, user).await?;
    note(&mut *transaction, &by.does("account.closed").on(On::user(user))).await?;
    transaction.commit().await?;
    accounts.auth.revocations.add(&keys);
    if sign_ins::end_all(accounts, user, None).await.is_err() {
        tracing::warn!(user_id = %user, "a closed account may still be signed in somewhere, until it is deleted");
    }
    tracing::info!(user_id = %user, job_id = %job.id, "an account is closed");
    Ok(job)
}

/// The file of an export, streamed in parts.
pub(crate) fn file(pool: PgPool, id: AccountJobId) -> impl Stream<Item = Result<Bytes, sqlx::Error>> + Send {
    stream::try_unfold(0, move |number| {
        let pool = pool.clone();
        async move {
            let part = account_jobs::part(&pool, id, number).await?;
            Ok(part.map(|part| (Bytes::from(part), number + 1)))
        }
    })
}
