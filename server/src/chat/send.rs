//! Accepts a message: validates it, stores it with its request in one statement, and dispatches the request.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use troupe_core::{
    events::{Cursor, Event, Frame},
    ids::{ConversationId, MessageId, RequestId, UserId},
    model::{Message, QueuePosition, Request, RequestStatus, Role},
    trace,
};
use troupe_db::{
    operations::idempotency,
    replies::{
        accept::{MessageKey, NewMessage, Outcome},
        messages,
    },
};
use utoipa::ToSchema;

use super::{Chat, cancel::cancel_before, dispatcher::Accepted};
use crate::{
    http::{
        error::{ApiError, ProblemCode},
        extract::validation::Checks,
        idempotent::Key,
    },
    metrics::{CHAT, CodeLabel},
    personas,
};

/// What becomes of a message while an earlier one of the conversation waits for its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum IfBusy {
    /// It waits its turn.
    #[default]
    Enqueue,
    /// It is refused.
    Reject,
    /// What is before it is cancelled; the text shown so far is kept.
    Interrupt,
}

impl IfBusy {
    const fn name(self) -> &'static str {
        match self {
            Self::Enqueue => "enqueue",
            Self::Reject => "reject",
            Self::Interrupt => "interrupt",
        }
    }
}

/// A message to be sent.
#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) conversation_id: ConversationId,
    pub(crate) content: String,
    pub(crate) if_busy: IfBusy,
    pub(crate) key: Option<String>,
    /// No cached reply. Not part of the key's fingerprint: a repeated call may differ in it.
    pub(crate) fresh: bool,
}

/// An accepted message, or the replay of an earlier call with the same key.
pub(crate) struct Sent {
    pub(crate) request: Request,
    pub(crate) message: Message,
    /// Absent while it waits its turn.
    pub(crate) place: Option<QueuePosition>,
    pub(crate) replayed: bool,
}

pub(crate) async fn send_message(
    chat: &Chat,
    user: UserId,
    sending: Sending,
    correlation_id: &str,
) -> Result<Sent, ApiError> {
    let sent = accept(chat, user, sending, correlation_id).await;
    match &sent {
        Ok(Sent { replayed: false, .. }) => CHAT.accepted.inc(),
        Ok(_) => CHAT.replayed.inc(),
        Err(error) => CHAT.refused.get_or_create(&CodeLabel { code: error.code().name() }).inc(),
    };
    sent
}

async fn accept(chat: &Chat, user: UserId, sending: Sending, correlation_id: &str) -> Result<Sent, ApiError> {
    let Sending { conversation_id, content, if_busy, key, fresh } = sending;
    let limit = chat.config.server.max_content;
    if content.len() > limit {
        return Err(ApiError::content_too_long(limit));
    }
    Checks::default().text("content", &content, 1..=limit).done()?;

    // The same fingerprint over HTTP and over sockets.
    let key = key.map(|key| {
        Key::new(
            key,
            &[b"message", conversation_id.as_uuid().as_bytes(), content.as_bytes(), if_busy.name().as_bytes()],
        )
    });
    let new = NewMessage {
        request_id: RequestId::new(),
        message_id: MessageId::new(),
        conversation_id,
        user_id: user,
        content: content.clone(),
        correlation_id: correlation_id.to_owned(),
        trace: None,
        key: key.clone().map(|Key { key, fingerprint }| MessageKey { key, fingerprint }),
        only_if_idle: if_busy == IfBusy::Reject,
        fresh,
    };
    if chat.gauge.open() >= chat.config.queue.max_open {
        let replay = find_replay(chat, user, key.as_ref(), conversation_id, content).await?;
        return replay.ok_or_else(ApiError::overloaded);
    }
    let (request_id, message_id) = (new.request_id, new.message_id);
    let accepted = match store(chat, new).await? {
        Outcome::Stored(accepted) => accepted,
        Outcome::NoConversation => return Err(ApiError::NotFound("conversation")),
        refused => {
            // The replay of a used key goes before the refusal of a new message.
            if let Some(replay) = find_replay(chat, user, key.as_ref(), conversation_id, content).await? {
                return Ok(replay);
            }
            return Err(refusal(chat, &refused));
        }
    };
    let created_at = accepted.created_at;
    let message = Message { id: message_id, conversation_id, request_id, role: Role::User, content, created_at };
    let place = accepted.dispatch.as_ref().map(|dispatch| chat.gauge.tier(&dispatch.tier).next_position());
    let event = Event::Queued { message: message.clone(), place, correlation_id: correlation_id.to_owned() };
    let waits = accepted.dispatch.is_none();
    chat.dispatcher.hand_over(Accepted {
        user,
        dispatch: accepted.dispatch,
        queued: Frame::new(request_id, conversation_id, Cursor::QUEUED, created_at, &event),
    });
    if waits && if_busy == IfBusy::Interrupt {
        // The message is accepted in any case: if the cancellation fails, it waits its turn.
        if let Err(error) = cancel_before(chat, user, conversation_id, request_id).await {
            tracing::warn!(%error, "could not interrupt");
        }
    }
    Ok(Sent { request: queued(&message, created_at), message, place, replayed: false })
}

async fn store(chat: &Chat, mut new: NewMessage) -> Result<Outcome, ApiError> {
    let mut span = trace::span("accept");
    new.trace = span.context().map(|context| context.as_parent());
    span.describe(|span| span.set("troupe.request_id", new.request_id.to_string()));
    let stored = chat.accepts.call(new).await.ok_or_else(|| ApiError::unavailable("shutting down"))?;
    stored.map_err(|error| {
        span.fail("not stored");
        ApiError::from(&*error)
    })
}

/// The replay of the same message, if its key was used before.
async fn find_replay(
    chat: &Chat,
    user: UserId,
    key: Option<&Key>,
    conversation_id: ConversationId,
    content: String,
) -> Result<Option<Sent>, ApiError> {
    let Some(Key { key, fingerprint }) = key else { return Ok(None) };
    let Some(known) = idempotency::find(&chat.pool, user, key).await? else { return Ok(None) };
    let request_id =
        known.request_id.filter(|_| known.fingerprint == *fingerprint).ok_or_else(ApiError::idempotency_key_reused)?;
    let question = messages::question_of(&chat.pool, user, request_id).await?;
    let (id, created_at) = question.ok_or(ApiError::NotFound("conversation"))?;
    let message = Message { id, conversation_id, request_id, role: Role::User, content, created_at };
    Ok(Some(Sent { request: queued(&message, created_at), message, place: None, replayed: true }))
}

fn refusal(chat: &Chat, outcome: &Outcome) -> ApiError {
    match outcome {
        Outcome::Busy => ApiError::conflict(
            ProblemCode::ConversationBusy,
            "an earlier message of the conversation waits for its reply",
        ),
        Outcome::PersonaHidden => personas::hidden(),
        Outcome::TooManyOpen => ApiError::too_many_requests(format!(
            "{} of your messages wait for their replies already",
            chat.limits().open
        )),
        // The key was removed between the two lookups.
        _ => ApiError::unavailable("an idempotency key vanished"),
    }
}

/// The request of a message that was just accepted.
fn queued(message: &Message, created_at: DateTime<Utc>) -> Request {
    Request {
        id: message.request_id,
        conversation_id: message.conversation_id,
        status: RequestStatus::Queued,
        attempt: 0,
        message_id: message.id,
        reply: None,
        incomplete: None,
        error: None,
        usage: None,
        provider: None,
        model: None,
        tries: Vec::new(),
        retrieval: None,
        created_at,
        started_at: None,
        finished_at: None,
    }
}
