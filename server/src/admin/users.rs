//! Changes of users by admins. The last admin cannot be demoted.

use troupe_core::{
    ids::UserId,
    model::{
        AccountRole, User,
        audit::{By, On},
    },
};
use troupe_db::accounts::{admin_users, api_keys, users};

use super::Admin;
use crate::{
    accounts::sign_ins,
    audit::note,
    http::error::{ApiError, ProblemCode},
};

/// A change of a user; `None` leaves a setting unchanged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UserChange<'a> {
    pub(crate) role: Option<AccountRole>,
    pub(crate) tier: Option<&'a str>,
}

/// Changes a user; `None` where there is no such user.
pub(crate) async fn change(
    admin: &Admin,
    by: &By,
    id: UserId,
    change: UserChange<'_>,
) -> Result<Option<User>, ApiError> {
    let UserChange { role, tier } = change;
    let mut transaction = admin.pool.begin().await?;
    if role.is_some_and(|role| role != AccountRole::Admin) {
        // Serializes two admins who demote each other.
        let admins = admin_users::lock_admins(&mut *transaction).await?;
        if admins == [id] {
            return Err(ApiError::conflict(
                ProblemCode::LastAdmin,
                "this is the last admin: make somebody else one first",
            ));
        }
    }
    let before = users::find(&mut *transaction, id).await?;
    let changed = admin_users::change(&mut *transaction, id, role, tier).await;
    let user = match changed {
        Err(sqlx::Error::Database(error)) if error.is_foreign_key_violation() => {
            return Err(ApiError::field("tier", "there is no such tier"));
        }
        changed => changed?,
    };
    if let (Some(before), Some(user)) = (&before, &user) {
        if before.role != user.role {
            let act = by.does("role.changed").on(On::user(id)).before(before.role).after(user.role);
            note(&mut *transaction, &act).await?;
        }
        if before.tier != user.tier {
            let act = by.does("user_tier.changed").on(On::user(id)).before(&before.tier).after(&user.tier);
            note(&mut *transaction, &act).await?;
        }
    }
    transaction.commit().await?;
    if let Some(user) = &user {
        if tier.is_some()
            && let Err(error) = admin.accounts.auth.sessions.change_tier(id, &user.tier).await
        {
            tracing::warn!(%error, user_id = %id, "sessions have the limits of the earlier tier until they end");
        }
        tracing::info!(user_id = %id, role = role.map(AccountRole::name), tier, "a user was changed");
    }
    Ok(user)
}

/// Revokes all credentials of a user: sign-ins and API keys. The user may sign in again.
pub(crate) async fn sign_out(admin: &Admin, by: &By, id: UserId) -> Result<(), ApiError> {
    note(&admin.pool, &by.does("user.signed_out").on(On::user(id))).await?;
    sign_ins::end_all(&admin.accounts, id, None).await?;
    let keys = api_keys::delete_all(&admin.pool, id).await?;
    admin.accounts.auth.revocations.add(&keys);
    tracing::info!(user_id = %id, keys = keys.len(), "a user was signed out by an admin");
    Ok(())
}
