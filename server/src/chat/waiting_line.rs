//! What waits in a conversation: in what order, why, and what its author may still do about it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use troupe_core::{
    events::{Cursor, Event, Frame},
    ids::{ConversationId, RequestId, UserId},
    model::{Message, RequestStatus},
};
use troupe_db::replies::{
    conversations,
    waiting_line::{self, Unanswered},
};
use utoipa::ToSchema;

use super::{Chat, cancel::release, conversation_events::tell_updated};
use crate::http::{
    error::{ApiError, ProblemCode},
    extract::validation::Checks,
};

/// Messages that are put into order by one call.
const MAX_MOVED: usize = 1_000;

/// A message that has no reply yet.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WaitingMessage {
    message: Message,
    request_id: RequestId,
    status: RequestStatus,
    /// Absent while its reply is being written.
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<Wait>,
    /// Whether its text and its place in the line can still be changed.
    can_change: bool,
}

/// Why a message waits, for its author.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
struct Wait {
    reason: WaitReason,
    /// The messages before it, in the conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    ahead: Option<usize>,
    /// Its position among all that wait for a worker, as far as it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eta_seconds: Option<u64>,
    /// The end of a pause.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum WaitReason {
    /// Earlier messages of the conversation have no reply yet.
    Conversation,
    /// As many of the user's messages as may be are being replied to.
    Limit,
    /// It waits for a worker.
    Queue,
    /// A try has failed, and the next comes after a pause.
    Retry,
}

impl Wait {
    const fn because(reason: WaitReason) -> Self {
        Self { reason, ahead: None, position: None, eta_seconds: None, until: None }
    }
}

pub(crate) async fn list(chat: &Chat, user: UserId, id: ConversationId) -> Result<Vec<WaitingMessage>, ApiError> {
    let open = waiting_line::list(&chat.pool, user, id).await?;
    if open.is_empty() {
        conversations::find(&chat.pool, user, id).await?.ok_or(ApiError::NotFound("conversation"))?;
    }
    Ok(open.into_iter().enumerate().map(|(ahead, open)| view(chat, ahead, open)).collect())
}

fn view(chat: &Chat, ahead: usize, open: Unanswered) -> WaitingMessage {
    let waiting = (open.status == RequestStatus::Queued).then(|| match open {
        _ if ahead > 0 => Wait { ahead: Some(ahead), ..Wait::because(WaitReason::Conversation) },
        Unanswered { not_before: Some(until), .. } => Wait { until: Some(until), ..Wait::because(WaitReason::Retry) },
        Unanswered { dispatched: false, .. } => Wait::because(WaitReason::Limit),
        Unanswered { ref tier, .. } => {
            let place = chat.gauge.tier(tier).next_position();
            Wait { position: Some(place.position), eta_seconds: place.eta_seconds, ..Wait::because(WaitReason::Queue) }
        }
    });
    let can_change = waiting.is_some() && !open.dispatched && open.not_before.is_none();
    WaitingMessage {
        request_id: open.message.request_id,
        message: open.message,
        status: open.status,
        waiting,
        can_change,
    }
}

pub(crate) async fn edit(chat: &Chat, user: UserId, request: RequestId, content: &str) -> Result<Message, ApiError> {
    let limit = chat.config.server.max_content;
    if content.len() > limit {
        return Err(ApiError::content_too_long(limit));
    }
    Checks::default().text("content", content, 1..=limit).done()?;
    let mut transaction = chat.pool.begin().await?;
    if !waiting_line::edit(&mut transaction, user, request, content).await? {
        return Err(refusal(chat, user, request).await);
    }
    transaction.commit().await?;
    let question = troupe_db::replies::messages::question_of(&chat.pool, user, request).await?;
    let question = question.ok_or(ApiError::NotFound("request of yours"))?;
    tell_updated(chat, user, question.conversation_id, true).await;
    Ok(question)
}

pub(crate) async fn reorder(
    chat: &Chat,
    user: UserId,
    id: ConversationId,
    order: &[RequestId],
) -> Result<Vec<WaitingMessage>, ApiError> {
    let max = format!("must not have more than {MAX_MOVED} items");
    Checks::default().rule(order.len() <= MAX_MOVED, "request_ids", max).done()?;
    conversations::find(&chat.pool, user, id).await?.ok_or(ApiError::NotFound("conversation"))?;
    let mut transaction = chat.pool.begin().await?;
    if !waiting_line::reorder(&mut transaction, user, id, order).await? {
        let detail = "these are not the messages that wait, each once";
        return Err(ApiError::conflict(ProblemCode::QueueChanged, detail));
    }
    transaction.commit().await?;
    tell_updated(chat, user, id, true).await;
    list(chat, user, id).await
}

/// Takes a message back before any worker has it; returns its text.
pub(crate) async fn withdraw(chat: &Chat, user: UserId, request: RequestId) -> Result<String, ApiError> {
    let mut transaction = chat.pool.begin().await?;
    let Some((conversation, content)) = waiting_line::withdraw(&mut transaction, user, request).await? else {
        return Err(refusal(chat, user, request).await);
    };
    transaction.commit().await?;
    // Whoever waits for its reply waits no more.
    let end = Event::Cancelled { message: None, correlation_id: String::new() };
    let end = Frame::new(request, conversation, Cursor::END, chat.clock.now(), &end);
    if let Err(error) = chat.bus.publish(&[(user, end)]).await {
        tracing::warn!(%error, "sockets were not told of a withdrawn message");
    }
    release(chat, user).await;
    tell_updated(chat, user, conversation, true).await;
    Ok(content)
}

async fn refusal(chat: &Chat, user: UserId, request: RequestId) -> ApiError {
    match troupe_db::replies::requests::find(&chat.pool, user, request).await {
        Ok(Some(_)) => ApiError::conflict(ProblemCode::AlreadyStarted, "a worker may have it already"),
        Ok(None) => ApiError::NotFound("request of yours"),
        Err(error) => error.into(),
    }
}
