//! Services: accounts of machines, without a password.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgExecutor, Result};
use troupe_core::{
    ids::{CredentialId, UserId},
    model::AccountRole,
};
use utoipa::ToSchema;

/// Stored instead of a password hash; no password matches it.
const NO_PASSWORD: &str = "!";

/// The maximum in lists.
const MAX_SERVICES: i64 = 1_000;

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Service {
    pub id: UserId,
    pub name: String,
    pub role: AccountRole,
    pub tier: String,
    pub created_at: DateTime<Utc>,
}

/// `.invalid` is a reserved domain, so the address cannot exist.
pub async fn create(db: impl PgExecutor<'_>, id: UserId, name: &str, admin: bool) -> Result<Service> {
    sqlx::query_as!(
        Service,
        r#"insert into users (id, email, name, password_hash, role, kind)
           values ($1, $2, $3, $4, case when $5 then 'admin' else 'user' end, 'service')
           returning id as "id: UserId", name, role as "role: AccountRole", tier, created_at"#,
        id.as_uuid(),
        format!("{name}@service.invalid"),
        name,
        NO_PASSWORD,
        admin,
    )
    .fetch_one(db)
    .await
}

/// The newest first.
pub async fn list(db: impl PgExecutor<'_>) -> Result<Vec<Service>> {
    sqlx::query_as!(
        Service,
        r#"select id as "id: UserId", name, role as "role: AccountRole", tier, created_at from users where kind = 'service' order by id desc
           limit $1"#,
        MAX_SERVICES,
    )
    .fetch_all(db)
    .await
}

pub async fn find(db: impl PgExecutor<'_>, id: UserId) -> Result<Option<Service>> {
    sqlx::query_as!(
        Service,
        r#"select id as "id: UserId", name, role as "role: AccountRole", tier, created_at from users where id = $1 and kind = 'service'"#,
        id.as_uuid(),
    )
    .fetch_optional(db)
    .await
}

/// Deletes a service with its tokens; returns the tokens, or `None` where there is no such service.
pub async fn delete(db: impl PgExecutor<'_>, id: UserId) -> Result<Option<Vec<CredentialId>>> {
    let rows = sqlx::query!(
        r#"with tokens as (
               select k.id from api_keys k join users u on u.id = k.user_id where u.id = $1 and u.kind = 'service'
           ), ended as (
               insert into ended_credentials (id) select id from tokens
           ), gone as (
               delete from users where id = $1 and kind = 'service' returning id
           )
           select t.id as "token?: CredentialId" from gone left join tokens t on true"#,
        id.as_uuid(),
    )
    .fetch_all(db)
    .await?;
    Ok((!rows.is_empty()).then(|| rows.into_iter().filter_map(|row| row.token).collect()))
}
