//! Cancels a request in any state, without involving the worker that may be running it.
//!
//! The log is sealed first: after that no event of the attempt is published, and the text shown so far is known. Then
//! the request ends in PostgreSQL with that text, fenced by the attempt's number. The worker stops at its next append,
//! which is refused.

use troupe_core::{
    events::Transcript,
    ids::{ConversationId, MessageId, RequestId, UserId},
    model::Request,
};
use troupe_db::replies::{
    cancel::{self, PartialReply},
    requests,
};

use super::{Chat, terminal_event::terminal_event};
use crate::http::error::ApiError;

/// A new attempt may begin between the read and the cancellation, but rarely.
const MAX_TRIES: usize = 8;

/// Returns the request in its final state: cancelled, or as it had ended before.
pub(crate) async fn cancel_request(chat: &Chat, user: UserId, id: RequestId) -> Result<Request, ApiError> {
    let mut sealed = false;
    for _ in 0..MAX_TRIES {
        let request = requests::find(&chat.pool, user, id).await?.ok_or(ApiError::NotFound("request"))?;
        if request.status.is_final() {
            if sealed {
                // It ended by itself, and the seal may have kept the worker from publishing its end.
                publish_terminal_event(chat, user, &request).await;
            }
            return Ok(request);
        }
        let text = seal(chat, user, &request).await;
        sealed = true;
        let partial = (!text.is_empty()).then(|| PartialReply { message_id: MessageId::new(), content: text });
        if cancel::cancel(&chat.pool, id, request.attempt, partial.as_ref()).await?.is_some() {
            tracing::info!(request_id = %id, kept = partial.is_some(), "cancelled");
            release(chat, user).await;
        }
    }
    Err(ApiError::unavailable("a request changed faster than it could be cancelled"))
}

/// Cancels all earlier requests of a conversation, the newest first, so that none of them starts meanwhile.
pub(crate) async fn cancel_before(
    chat: &Chat,
    user: UserId,
    conversation: ConversationId,
    request: RequestId,
) -> Result<(), ApiError> {
    let open = requests::open_for_user(&chat.pool, user).await?;
    let in_conversation = open.into_iter().filter(|open| open.conversation_id == conversation);
    let before: Vec<_> = in_conversation.take_while(|open| open.id != request).collect();
    for open in before.into_iter().rev() {
        cancel_request(chat, user, open.id).await?;
    }
    Ok(())
}

/// Seals the attempt's log; returns the text shown so far. Empty while Redis is away: then the log is unknown.
async fn seal(chat: &Chat, user: UserId, request: &Request) -> String {
    let attempt = u32::try_from(request.attempt).unwrap_or_default();
    match chat.bus.seal(user, request.id, attempt).await {
        Ok(log) => Transcript::of(&log).text,
        Err(error) => {
            tracing::warn!(%error, request_id = %request.id, "cancelled without keeping what was shown");
            String::new()
        }
    }
}

async fn publish_terminal_event(chat: &Chat, user: UserId, request: &Request) {
    let Some(end) = terminal_event(request) else { return };
    if let Err(error) = chat.bus.append(user, &[end]).await {
        tracing::warn!(%error, "sockets learn of an end from their next snapshot");
    }
}

/// Dispatches the requests that waited behind it.
pub(super) async fn release(chat: &Chat, user: UserId) {
    let released = async {
        let next = requests::release(&chat.pool, user, chat.limits()).await?;
        chat.jobs.enqueue(&next).await.map_err(ApiError::from)
    };
    if let Err(error) = released.await {
        tracing::warn!(%error, "the sweeper will hand over what waited");
    }
}
