//! The keys that sign access tokens, shared by every server through the database.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgExecutor, PgPool, Result};
use utoipa::ToSchema;

pub struct SigningKey {
    pub id: String,
    pub secret: Vec<u8>,
    pub retired: bool,
    pub created_at: DateTime<Utc>,
}

/// Every key that may have signed a token that is still valid, newest first.
pub async fn list(db: impl PgExecutor<'_>) -> Result<Vec<SigningKey>> {
    sqlx::query_as!(
        SigningKey,
        r#"select id, secret, retired_at is not null as "retired!", created_at from signing_keys order by created_at desc, id"#
    )
    .fetch_all(db)
    .await
}

/// Stores the deployment's first key, unless a concurrent server did.
pub async fn create_first(db: &PgPool, id: &str, secret: &[u8]) -> Result<()> {
    let mut transaction = db.begin().await?;
    sqlx::query!("lock table signing_keys in exclusive mode").execute(&mut *transaction).await?;
    sqlx::query!(
        "insert into signing_keys (id, secret) select $1, $2 where not exists (select 1 from signing_keys where retired_at is null)",
        id,
        secret,
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await
}

/// A key, as shown to admins.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct KeyView {
    pub id: String,
    pub created_at: DateTime<Utc>,
    pub retired_at: Option<DateTime<Utc>>,
}

pub async fn views(db: impl PgExecutor<'_>) -> Result<Vec<KeyView>> {
    sqlx::query_as!(KeyView, "select id, created_at, retired_at from signing_keys order by created_at desc, id")
        .fetch_all(db)
        .await
}

/// Stores a new key; the others are removed some time after it is in use.
pub async fn rotate(db: &PgPool, id: &str, secret: &[u8]) -> Result<KeyView> {
    let mut transaction = db.begin().await?;
    sqlx::query!("lock table signing_keys in exclusive mode").execute(&mut *transaction).await?;
    sqlx::query!("update signing_keys set retired_at = now() where retired_at is null")
        .execute(&mut *transaction)
        .await?;
    let key = sqlx::query_as!(
        KeyView,
        "insert into signing_keys (id, secret, created_at) values ($1, $2, clock_timestamp())
         returning id, created_at, retired_at",
        id,
        secret,
    )
    .fetch_one(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(key)
}
