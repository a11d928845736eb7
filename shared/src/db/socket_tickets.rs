//! One-time tickets for WebSocket upgrades. Only their digests are stored.

use std::time::Duration;

use sqlx::{PgExecutor, Result};

use crate::ids::UserId;

pub async fn create(db: impl PgExecutor<'_>, digest: &[u8], user: UserId, ttl: Duration) -> Result<()> {
    sqlx::query!(
        "insert into socket_tickets (digest, user_id, expires_at) values ($1, $2, now() + make_interval(secs => $3))",
        digest,
        user.as_uuid(),
        ttl.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Uses the ticket up; it opens one socket.
pub async fn redeem(db: impl PgExecutor<'_>, digest: &[u8]) -> Result<Option<UserId>> {
    sqlx::query_scalar!(
        r#"delete from socket_tickets where digest = $1 and expires_at > now() returning user_id as "id: UserId""#,
        digest,
    )
    .fetch_optional(db)
    .await
}
