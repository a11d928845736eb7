//! Cancels a request, whatever it is doing, without asking the worker that may be at it.
//!
//! The log is sealed first: from then on nothing more of that attempt is shown, and what was shown is known. Then the
//! request ends in PostgreSQL with that text, if it is still at that attempt. The worker stops at its next word, which
//! is refused.

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

/// Attempts begin and end meanwhile, but not often.
const TRIES: usize = 8;

/// The request as it has ended: cancelled, or as it had ended before.
pub(crate) async fn cancel_request(chat: &Chat, user: UserId, id: RequestId) -> Result<Request, ApiError> {
    let mut sealed = false;
    for _ in 0..TRIES {
        let request = requests::find(&chat.pool, user, id).await?.ok_or(ApiError::NotFound("request"))?;
        if request.status.is_final() {
            if sealed {
                // It ended by itself, and may have been kept from telling so.
                tell_end(chat, user, &request).await;
            }
            return Ok(request);
        }
        let shown = seal(chat, user, &request).await;
        sealed = true;
        let kept = (!shown.is_empty()).then(|| PartialReply { message_id: MessageId::new(), content: shown });
        if cancel::cancel(&chat.pool, id, request.attempt, kept.as_ref()).await?.is_some() {
            tracing::info!(request_id = %id, kept = kept.is_some(), "cancelled");
            release(chat, user).await;
        }
    }
    Err(ApiError::unavailable("a request changed faster than it could be cancelled"))
}

/// Cancels everything before a message in its conversation, the newest first, so that none gets its turn meanwhile.
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

/// What has been shown of the attempt, of which nothing more is shown. Nothing where Redis is away: then the log is not
/// known.
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

async fn tell_end(chat: &Chat, user: UserId, request: &Request) {
    let Some(end) = terminal_event(request) else { return };
    if let Err(error) = chat.bus.append(user, &[end]).await {
        tracing::warn!(%error, "sockets learn of an end from their next snapshot");
    }
}

/// What waited behind it goes on.
async fn release(chat: &Chat, user: UserId) {
    let released = async {
        let next = requests::release(&chat.pool, user, chat.limits()).await?;
        chat.jobs.enqueue(&next).await.map_err(ApiError::from)
    };
    if let Err(error) = released.await {
        tracing::warn!(%error, "the sweeper will hand over what waited");
    }
}
