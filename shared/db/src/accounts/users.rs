//! Accounts. A closed one is being deleted, and is excluded everywhere.

use sqlx::{PgExecutor, Result};
use troupe_core::{
    ids::UserId,
    model::{AccountRole, User},
};

/// A stored account with its password hash, for the verification at sign-in only.
pub struct Credentials {
    pub user: User,
    /// `None` until the owner sets a password.
    pub password_hash: Option<String>,
    /// Known to be its owner's, or taken for that.
    pub email_verified: bool,
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
           returning id as "id: UserId", email, name, role as "role: AccountRole", tier, created_at"#,
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
        r#"select id as "id: UserId", email, name, role as "role: AccountRole", tier, created_at from users where id = $1 and closed_at is null"#,
        id.as_uuid(),
    )
    .fetch_optional(db)
    .await
}

pub async fn credentials_by_email(db: impl PgExecutor<'_>, email: &str) -> Result<Option<Credentials>> {
    let row = sqlx::query!(
        r#"select id as "id: UserId", email, name, role as "role: AccountRole", tier, created_at, password_hash,
                  email_verified_at is not null as "email_verified!"
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
        email_verified: row.email_verified,
    }))
}

/// The role of an account; `None` where there is no such account.
pub async fn role(db: impl PgExecutor<'_>, id: UserId) -> Result<Option<AccountRole>> {
    sqlx::query_scalar!(
        r#"select role as "role: AccountRole" from users where id = $1 and closed_at is null"#,
        id.as_uuid(),
    )
    .fetch_optional(db)
    .await
}

/// Makes the account with this address an admin; `None` where there is no such account.
pub async fn make_admin(db: impl PgExecutor<'_>, email: &str) -> Result<Option<UserId>> {
    sqlx::query_scalar!(
        r#"update users set role = 'admin' where lower(email) = lower($1) and closed_at is null returning id as "id: UserId""#,
        email,
    )
    .fetch_optional(db)
    .await
}

/// The address as stored, and the password hash; `None` where there is no such account.
pub async fn credentials_by_id(db: impl PgExecutor<'_>, id: UserId) -> Result<Option<Credentials>> {
    let row = sqlx::query!(
        r#"select id as "id: UserId", email, name, role as "role: AccountRole", tier, created_at, password_hash,
                  email_verified_at is not null as "email_verified!" from users where id = $1"#,
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
        email_verified: row.email_verified,
    }))
}
