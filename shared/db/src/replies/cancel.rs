//! Cancellation: the user ends a request, in whatever state.
//!
//! Fenced like everything that ends an attempt: it fails if the request has moved on to another attempt since it was
//! read. The worker is not asked; its own finish comes too late then, and changes nothing.

use chrono::{DateTime, Utc};
use sqlx::{PgExecutor, Result};
use troupe_core::ids::{MessageId, RequestId};

/// The text that the user has seen, stored as the reply.
#[derive(Debug, Clone)]
pub struct PartialReply {
    pub message_id: MessageId,
    pub content: String,
}

/// Cancels the request; returns when. `None` where it has moved on: it is final, or at another attempt.
pub async fn cancel(
    db: impl PgExecutor<'_>,
    id: RequestId,
    attempt: i32,
    partial: Option<&PartialReply>,
) -> Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar!(
        r#"with open as (
               select id, status, worker, started_at from requests
               where id = $1 and attempt = $2 and status in ('queued', 'in_progress') for update
           ), cancelled as (
               update requests r set status = 'cancelled', finished_at = now(), due_at = null
               from open where r.id = open.id
               returning r.id, r.conversation_id, r.position, r.branch, r.attempt, r.finished_at, open.status as was, open.worker, open.started_at
           ), reply as (
               insert into messages (id, conversation_id, request_id, turn, branch, role, content)
               select $3, conversation_id, id, position, branch, 'assistant', $4 from cancelled where $3::uuid is not null
           ), record as (
               insert into attempts (request_id, number, worker, started_at, outcome)
               select id, attempt, worker, started_at, 'cancelled' from cancelled where was = 'in_progress'
           )
           select finished_at as "at!" from cancelled"#,
        id.as_uuid(),
        attempt,
        partial.map(|partial| partial.message_id.as_uuid()),
        partial.map(|partial| partial.content.as_str()),
    )
    .fetch_optional(db)
    .await
}
