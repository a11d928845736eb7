//! One-time tickets for WebSocket upgrades. Only their digests are stored.

use std::time::Duration;

use serde_json::Value;
use sqlx::{PgExecutor, Result};
use troupe_core::ids::UserId;

pub async fn create(
    db: impl PgExecutor<'_>,
    digest: &[u8],
    user: UserId,
    identity: &Value,
    ttl: Duration,
) -> Result<()> {
    sqlx::query!(
        "insert into socket_tickets (digest, user_id, identity, expires_at) values ($1, $2, $3, now() + make_interval(secs => $4))",
        digest,
        user.as_uuid(),
        identity,
        ttl.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Consumes a ticket: it opens one socket, with the identity of the requester.
pub async fn redeem(db: impl PgExecutor<'_>, digest: &[u8]) -> Result<Option<Value>> {
    sqlx::query_scalar!(
        "delete from socket_tickets where digest = $1 and expires_at > now() returning identity",
        digest,
    )
    .fetch_optional(db)
    .await
}
