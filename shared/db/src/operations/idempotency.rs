//! Idempotency keys: the request and the response of each.
//!
//! A key is stored in the same transaction as what it created. A concurrent call with the same key waits in PostgreSQL
//! for the first one to end, and then finds its response.

use serde_json::Value;
use sqlx::{PgExecutor, Result};
use troupe_core::ids::{RequestId, UserId};

/// A stored key.
#[derive(Debug, Clone)]
pub struct Used {
    pub fingerprint: Vec<u8>,
    /// Of a message: its request.
    pub request_id: Option<RequestId>,
    /// Of other calls: the response.
    pub answer: Option<Value>,
}

/// Inserts the key; `false` where it exists.
pub async fn take(db: impl PgExecutor<'_>, user: UserId, key: &str, fingerprint: &[u8]) -> Result<bool> {
    let done = sqlx::query!(
        "insert into idempotency_keys (user_id, key, fingerprint) values ($1, $2, $3) on conflict do nothing",
        user.as_uuid(),
        key,
        fingerprint,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Stores the response, in the transaction that inserted the key.
pub async fn answered(db: impl PgExecutor<'_>, user: UserId, key: &str, answer: &Value) -> Result<()> {
    sqlx::query!(
        "update idempotency_keys set answer = $3 where user_id = $1 and key = $2",
        user.as_uuid(),
        key,
        answer
    )
    .execute(db)
    .await?;
    Ok(())
}

pub async fn find(db: impl PgExecutor<'_>, user: UserId, key: &str) -> Result<Option<Used>> {
    sqlx::query_as!(
        Used,
        r#"select fingerprint, request_id as "request_id: RequestId", answer
           from idempotency_keys where user_id = $1 and key = $2"#,
        user.as_uuid(),
        key,
    )
    .fetch_optional(db)
    .await
}
