//! Accounts. One that is closed is on its way out: for everybody it is gone already.

use sqlx::{PgExecutor, Result};

use crate::{
    ids::UserId,
    model::{Change, User, admin::Tier},
};

/// A stored account with its password's hash, which goes no further than the sign-in that verifies it.
pub struct Credentials {
    pub user: User,
    /// Nothing where the owner has not set one yet.
    pub password_hash: Option<String>,
}

pub async fn create(
    db: impl PgExecutor<'_>,
    id: UserId,
    email: &str,
    name: &str,
    password_hash: Option<&str>,
) -> Result<User> {
    sqlx::query_as!(
        User,
        r#"insert into users (id, email, name, password_hash) values ($1, $2, $3, $4)
           returning id as "id: UserId", email, name, role, tier, created_at"#,
        id.as_uuid(),
        email,
        name,
        password_hash,
    )
    .fetch_one(db)
    .await
}

pub async fn find(db: impl PgExecutor<'_>, id: UserId) -> Result<Option<User>> {
    sqlx::query_as!(
        User,
        r#"select id as "id: UserId", email, name, role, tier, created_at from users where id = $1 and closed_at is null"#,
        id.as_uuid(),
    )
    .fetch_optional(db)
    .await
}

pub async fn credentials(db: impl PgExecutor<'_>, email: &str) -> Result<Option<Credentials>> {
    let row = sqlx::query!(
        r#"select id as "id: UserId", email, name, role, tier, created_at, password_hash
           from users where lower(email) = lower($1) and closed_at is null"#,
        email,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Credentials {
        user: User {
            id: row.id,
            email: row.email,
            name: row.name,
            role: row.role,
            tier: row.tier,
            created_at: row.created_at,
        },
        password_hash: row.password_hash,
    }))
}

/// What an account may do; `None` where there is no such account.
pub async fn role(db: impl PgExecutor<'_>, id: UserId) -> Result<Option<String>> {
    sqlx::query_scalar!("select role from users where id = $1 and closed_at is null", id.as_uuid())
        .fetch_optional(db)
        .await
}

/// Makes the account with this address an admin's; `None` where there is no such account.
pub async fn make_admin(db: impl PgExecutor<'_>, email: &str) -> Result<Option<UserId>> {
    sqlx::query_scalar!(
        r#"update users set role = 'admin' where lower(email) = lower($1) and closed_at is null returning id as "id: UserId""#,
        email,
    )
    .fetch_optional(db)
    .await
}

/// The address as it is stored, and the hash of its password; `None` where there is no such account.
pub async fn credentials_of(db: impl PgExecutor<'_>, id: UserId) -> Result<Option<Credentials>> {
    let row = sqlx::query!(
        r#"select id as "id: UserId", email, name, role, tier, created_at, password_hash from users where id = $1"#,
        id.as_uuid(),
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Credentials {
        user: User {
            id: row.id,
            email: row.email,
            name: row.name,
            role: row.role,
            tier: row.tier,
            created_at: row.created_at,
        },
        password_hash: row.password_hash,
    }))
}

/// All tiers, the heaviest first: one queue each.
pub async fn tiers(db: impl PgExecutor<'_>) -> Result<Vec<Tier>> {
    sqlx::query_as!(
        Tier,
        "select name, queue_weight, chain, models, calls_per_minute, chat_per_minute from tiers order by queue_weight desc, name"
    )
    .fetch_all(db)
    .await
}

/// What is to be different about a tier.
#[derive(Debug, Default)]
pub struct TierChange<'a> {
    pub queue_weight: Option<i32>,
    pub chain: Change<&'a [String]>,
    pub models: Change<&'a [String]>,
    pub calls_per_minute: Option<i32>,
    pub chat_per_minute: Option<i32>,
}

/// A tier as it is, until the end of the transaction.
pub async fn lock_tier(db: impl PgExecutor<'_>, name: &str) -> Result<Option<Tier>> {
    sqlx::query_as!(
        Tier,
        "select name, queue_weight, chain, models, calls_per_minute, chat_per_minute from tiers where name = $1 for update",
        name,
    )
        .fetch_optional(db)
        .await
}

/// Changes what a tier is allowed; `None` where there is no such tier.
pub async fn change_tier(db: impl PgExecutor<'_>, name: &str, change: TierChange<'_>) -> Result<Option<Tier>> {
    sqlx::query_as!(
        Tier,
        r#"update tiers set queue_weight = coalesce($2, queue_weight), chain = case when $3 then chain else $4 end,
             calls_per_minute = coalesce($5, calls_per_minute), chat_per_minute = coalesce($6, chat_per_minute),
             models = case when $7 then models else $8 end
           where name = $1
           returning name, queue_weight, chain, models, calls_per_minute, chat_per_minute"#,
        name,
        change.queue_weight,
        change.chain.is_kept(),
        change.chain.value(),
        change.calls_per_minute,
        change.chat_per_minute,
        change.models.is_kept(),
        change.models.value(),
    )
    .fetch_optional(db)
    .await
}

/// Adds a tier; its name must be free.
pub async fn create_tier(db: impl PgExecutor<'_>, name: &str) -> Result<()> {
    sqlx::query!("insert into tiers (name, queue_weight) values ($1, 1)", name).execute(db).await?;
    Ok(())
}

/// Removes a tier; says whether there was one. It fails while there are users of it.
pub async fn delete_tier(db: impl PgExecutor<'_>, name: &str) -> Result<bool> {
    let done = sqlx::query!("delete from tiers where name = $1", name).execute(db).await?;
    Ok(done.rows_affected() == 1)
}
