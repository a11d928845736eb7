//! API keys. Only their digests are stored.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgExecutor, Result};
use troupe_core::ids::{CredentialId, UserId};
use utoipa::ToSchema;

/// A key, as shown to its owner.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ApiKey {
    pub id: CredentialId,
    pub name: String,
    pub prefix: String,
    pub scopes: Vec<String>,
    pub signs: bool,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub last_used_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone)]
pub struct NewApiKey<'a> {
    pub id: CredentialId,
    pub user: UserId,
    pub name: &'a str,
    pub prefix: &'a str,
    pub digest: &'a [u8],
    pub scopes: &'a [String],
    pub signs: bool,
    pub lasts: Option<Duration>,
}

/// A stored key for authentication, with its owner.
#[derive(Debug, Clone)]
pub struct StoredKey {
    pub id: CredentialId,
    pub user: UserId,
    pub tier: String,
    pub digest: Vec<u8>,
    pub scopes: Vec<String>,
    pub signs: bool,
    pub expires_at: Option<DateTime<Utc>>,
}

pub async fn create(db: impl PgExecutor<'_>, new: &NewApiKey<'_>) -> Result<ApiKey> {
    sqlx::query_as!(
        ApiKey,
        r#"insert into api_keys (id, user_id, name, prefix, digest, scopes, signs, expires_at)
           values ($1, $2, $3, $4, $5, $6, $7, now() + make_interval(secs => $8))
           returning id as "id: CredentialId", name, prefix, scopes, signs, created_at, expires_at, last_used_at"#,
        new.id.as_uuid(),
        new.user.as_uuid(),
        new.name,
        new.prefix,
        new.digest,
        new.scopes,
        new.signs,
        new.lasts.map(|lasts| lasts.as_secs_f64()),
    )
    .fetch_one(db)
    .await
}

/// The number of a user's keys.
pub async fn count(db: impl PgExecutor<'_>, user: UserId) -> Result<i64> {
    sqlx::query_scalar!(r#"select count(*) as "count!" from api_keys where user_id = $1"#, user.as_uuid())
        .fetch_one(db)
        .await
}

/// A user's keys, the newest first.
pub async fn list(db: impl PgExecutor<'_>, user: UserId) -> Result<Vec<ApiKey>> {
    sqlx::query_as!(
        ApiKey,
        r#"select id as "id: CredentialId", name, prefix, scopes, signs, created_at, expires_at, last_used_at
           from api_keys where user_id = $1 order by id desc"#,
        user.as_uuid(),
    )
    .fetch_all(db)
    .await
}

/// The key with this prefix, unless it has expired. Records its use, at most once a minute.
pub async fn find(db: impl PgExecutor<'_>, prefix: &str) -> Result<Option<StoredKey>> {
    sqlx::query_as!(
        StoredKey,
        r#"with found as (
               select k.id, k.user_id, u.tier, k.digest, k.scopes, k.signs, k.expires_at, k.last_used_at
               from api_keys k join users u on u.id = k.user_id
               where k.prefix = $1 and (k.expires_at is null or k.expires_at > now())
           ), noted as (
               update api_keys k set last_used_at = now() from found f
               where k.id = f.id and (f.last_used_at is null or f.last_used_at < now() - interval '1 minute')
           )
           select id as "id: CredentialId", user_id as "user: UserId", tier, digest, scopes, signs, expires_at from found"#,
        prefix,
    )
    .fetch_optional(db)
    .await
}

/// Deletes a key of a user; `false` where there is none.
pub async fn delete(db: impl PgExecutor<'_>, user: UserId, id: CredentialId) -> Result<bool> {
    let done = sqlx::query!(
        "with gone as (delete from api_keys where id = $2 and user_id = $1 returning id)
         insert into ended_credentials (id) select id from gone",
        user.as_uuid(),
        id.as_uuid(),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Deletes all keys of a user; returns them.
pub async fn delete_all(db: impl PgExecutor<'_>, user: UserId) -> Result<Vec<CredentialId>> {
    sqlx::query_scalar!(
        r#"with gone as (delete from api_keys where user_id = $1 returning id)
           insert into ended_credentials (id) select id from gone returning id as "id: CredentialId""#,
        user.as_uuid(),
    )
    .fetch_all(db)
    .await
}

/// Records a signed call; `false` for a replay.
pub async fn take_signed_call(db: impl PgExecutor<'_>, digest: &[u8], kept: Duration) -> Result<bool> {
    let done = sqlx::query!(
        "insert into signed_calls (digest, expires_at) values ($1, now() + make_interval(secs => $2))
         on conflict do nothing",
        digest,
        kept.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}
