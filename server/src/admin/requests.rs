//! Requests of all users: the events of one, and its cancellation.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use troupe_core::{
    events::{Cursor, EventKind, Frame},
    ids::RequestId,
    model::audit::{By, On},
};
use troupe_db::replies::queue_state::{self, Waiting};
use utoipa::ToSchema;

use super::Admin;
use crate::{
    audit::note,
    chat::cancel::cancel_request,
    http::error::{ApiError, ProblemCode},
};

const MISSING: ApiError = ApiError::NotFound("request");

/// An event that clients were sent, without its content.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LoggedEvent {
    #[schema(value_type = String, example = "1-17")]
    cursor: Cursor,
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "reply.delta")]
    kind: EventKind,
    at: DateTime<Utc>,
    /// Of a `reply.delta`: how much text it added.
    #[serde(skip_serializing_if = "Option::is_none")]
    characters: Option<usize>,
    /// Of a `reply.reset`: how much of the text stayed.
    #[serde(skip_serializing_if = "Option::is_none")]
    keep: Option<usize>,
    /// Of a `request.failed`: the code of its problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

impl LoggedEvent {
    fn of(frame: &Frame) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Logged {
            at: DateTime<Utc>,
            text: Option<String>,
            keep: Option<usize>,
            error: Option<Code>,
        }
        #[derive(Deserialize)]
        struct Code {
            code: String,
        }
        let Logged { at, text, keep, error } = serde_json::from_slice(frame.json())?;
        let characters = text.map(|text| text.chars().count());
        let code = error.map(|error| error.code);
        Ok(Self { cursor: frame.cursor, kind: frame.kind, at, characters, keep, code })
    }
}

/// The events that a client could be sent again.
pub(crate) async fn events(admin: &Admin, id: RequestId) -> Result<Vec<LoggedEvent>, ApiError> {
    let Waiting { user_id, .. } = queue_state::waiting(&admin.pool, id).await?.ok_or(MISSING)?;
    let frames = admin.chat.bus.replay(user_id, id, Cursor::START).await?;
    let events = frames.iter().map(LoggedEvent::of).collect::<Result<_, _>>();
    events.map_err(|error| ApiError::Internal(format!("read a logged event: {error}")))
}

/// Cancels a request that has not ended. The audit entry comes first: nothing is cancelled without one, though the
/// request may end by itself just then.
pub(crate) async fn cancel(admin: &Admin, by: &By, id: RequestId, reason: &str) -> Result<(), ApiError> {
    let Waiting { user_id, status, .. } = queue_state::waiting(&admin.pool, id).await?.ok_or(MISSING)?;
    if status.is_final() {
        return Err(ApiError::conflict(ProblemCode::AlreadySettled, "the request has ended"));
    }
    let cancelled = by.does("request.cancelled").on(On::thing("request", id).of(user_id));
    let cancelled = cancelled.before(json!({"status": status})).after(json!({"status": "cancelled", "reason": reason}));
    note(&admin.pool, &cancelled).await?;
    cancel_request(&admin.chat, user_id, id).await?;
    tracing::info!(admin_id = by.user.map(tracing::field::display), request_id = %id, "cancelled by an admin");
    Ok(())
}
