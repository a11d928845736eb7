//! Cancelling: the user ends a request, whatever it is doing.
//!
//! Fenced like everything that ends an attempt: it counts only while the request is as it was when it was looked at. The
//! worker needs no say in it; its own end comes too late then, and changes nothing.

use chrono::{DateTime, Utc};
use sqlx::{PgExecutor, Result};
use troupe_core::ids::{MessageId, RequestId};

/// The text that had been shown, to be kept as the reply.
#[derive(Debug, Clone)]
pub struct Kept {
    pub message_id: MessageId,
    pub content: String,
}

/// Ends the request as cancelled; tells when. `None` where it has moved on: it is final, or at another attempt.
pub async fn cancel(
    db: impl PgExecutor<'_>,
    id: RequestId,
    attempt: i32,
    kept: Option<&Kept>,
) -> Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar!(
        r#"with open as (
               select id, status, worker, started_at from requests
               where id = $1 and attempt = $2 and status in ('queued', 'in_progress') for update
           ), cancelled as (
               update requests r set status = 'cancelled', finished_at = now(), due_at = null
               from open where r.id = open.id
               returning r.id, r.conversation_id, r.position, r.attempt, r.finished_at, open.status as was, open.worker, open.started_at
           ), reply as (
               insert into messages (id, conversation_id, request_id, turn, role, content)
               select $3, conversation_id, id, position, 'assistant', $4 from cancelled where $3::uuid is not null
           ), record as (
               insert into attempts (request_id, number, worker, started_at, outcome)
               select id, attempt, worker, started_at, 'cancelled' from cancelled where was = 'in_progress'
           )
           select finished_at as "at!" from cancelled"#,
        id.as_uuid(),
        attempt,
        kept.map(|kept| kept.message_id.as_uuid()),
        kept.map(|kept| kept.content.as_str()),
    )
    .fetch_optional(db)
    .await
}
