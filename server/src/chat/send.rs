//! Accepts a message: validates it, stores it with its request in one statement, and dispatches the request.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use troupe_core::{
    events::{Cursor, Event, Frame},
    ids::{ConversationId, MessageId, RequestId, UserId},
    model::{Message, QueuePosition, Request, RequestStatus, Role, caller_options::CallerOptions},
    trace,
};
use troupe_db::{
    operations::idempotency,
    replies::{
        accept::{self, MessageKey, NewMessage, Outcome},
        branches::{self, Beside, MAX_BRANCHES, Opened},
        messages,
    },
};
use utoipa::ToSchema;

use super::{
    Chat,
    cancel::{cancel_before, cancel_request},
    conversation_events::tell_updated,
    dispatcher::Accepted,
};
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

/// Where a message goes in its conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// After the last one of the chosen path.
    End,
    /// Beside this turn, on a branch of its own.
    Beside(RequestId),
    /// Beside this turn, whose question it asks again; and its reply may go on from that turn's.
    Again { of: RequestId, continues: bool },
}

impl Place {
    /// The turn that it replaces.
    const fn replaces(self) -> Option<RequestId> {
        match self {
            Self::End => None,
            Self::Beside(of) | Self::Again { of, .. } => Some(of),
        }
    }

    /// What keys of idempotency tell apart. At the end as it always was, so that keys outlive an upgrade.
    fn fingerprint(self) -> Vec<u8> {
        let (kind, of): (&[u8], _) = match self {
            Self::End => return Vec::new(),
            Self::Beside(of) => (b"beside", of),
            Self::Again { of, continues: false } => (b"again", of),
            Self::Again { of, continues: true } => (b"continue", of),
        };
        [kind, of.as_uuid().as_bytes()].concat()
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
    pub(crate) place: Place,
    pub(crate) brought: Option<Brought>,
}

/// What comes with a message over `/v1`.
#[derive(Debug)]
pub(crate) struct Brought {
    pub(crate) options: CallerOptions,
    /// Of the whole call, for its key: its conversation may be made for it, so that each call has another.
    pub(crate) fingerprint: Vec<u8>,
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
    let Sending { conversation_id, content, if_busy, key, fresh, place: position, brought } = sending;
    let limit = chat.config.server.max_content;
    if content.len() > limit {
        return Err(ApiError::content_too_long(limit));
    }
    Checks::default().text("content", &content, 1..=limit).done()?;

    // The same fingerprint over HTTP and over sockets.
    let key = key.map(|key| {
        if let Some(Brought { fingerprint, .. }) = &brought {
            return Key { key, fingerprint: fingerprint.clone() };
        }
        let (conversation, beside) = (conversation_id.as_uuid(), position.fingerprint());
        let mut parts: Vec<&[u8]> =
            vec![b"message", conversation.as_bytes(), content.as_bytes(), if_busy.name().as_bytes()];
        parts.extend((!beside.is_empty()).then_some(beside.as_slice()));
        Key::new(key, &parts)
    });
    // Others may follow the reply that this one stands beside.
    let replaced = position.replaces().filter(|_| brought.is_none());
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
        options: brought.map(|brought| brought.options),
    };
    if chat.gauge.open() >= chat.config.queue.max_open {
        let replay = find_replay(chat, user, key.as_ref()).await?;
        return replay.ok_or_else(ApiError::overloaded);
    }
    let (request_id, message_id) = (new.request_id, new.message_id);
    let accepted = match store(chat, new, position).await? {
        Outcome::Stored(accepted) => accepted,
        Outcome::NoConversation => return Err(ApiError::NotFound("conversation")),
        refused => {
            // The replay of a used key goes before the refusal of a new message.
            if let Some(replay) = find_replay(chat, user, key.as_ref()).await? {
                return Ok(replay);
            }
            return Err(refusal(chat, &refused));
        }
    };
    let created_at = accepted.created_at;
    let message = Message {
        id: message_id,
        conversation_id,
        request_id,
        role: Role::User,
        content,
        created_at,
        turn: accepted.turn,
        branch: accepted.branch,
        variants: Vec::new(),
        outcome: None,
    };
    let place = accepted.dispatch.as_ref().map(|dispatch| chat.gauge.tier(&dispatch.tier).next_position());
    let event = Event::Queued { message: message.clone(), place, correlation_id: correlation_id.to_owned() };
    let waits = accepted.dispatch.is_none();
    chat.dispatcher.hand_over(Accepted {
        user,
        dispatch: accepted.dispatch,
        queued: Frame::new(request_id, conversation_id, Cursor::QUEUED, created_at, &event),
    });
    if waits && (replaced.is_some() || if_busy == IfBusy::Interrupt) {
        Box::pin(make_way(chat, user, &message, replaced, if_busy)).await;
    }
    if position != Place::End {
        Box::pin(tell_updated(chat, user, conversation_id, false)).await;
    }
    Ok(Sent { request: queued(&message, created_at), message, place, replayed: false })
}

/// Cancels what a waiting message replaces or interrupts. If that fails, it waits its turn.
async fn make_way(chat: &Chat, user: UserId, message: &Message, replaced: Option<RequestId>, if_busy: IfBusy) {
    let Message { conversation_id, request_id, .. } = *message;
    let cancelled = match replaced {
        Some(replaced) if if_busy != IfBusy::Interrupt => cancel_request(chat, user, replaced).await.map(drop),
        _ => cancel_before(chat, user, conversation_id, request_id).await,
    };
    if let Err(error) = cancelled {
        tracing::warn!(%error, "could not interrupt");
    }
}

async fn store(chat: &Chat, mut new: NewMessage, place: Place) -> Result<Outcome, ApiError> {
    let mut span = trace::span("accept");
    new.trace = span.context().map(|context| context.as_parent());
    span.describe(|span| span.set("troupe.request_id", new.request_id.to_string()));
    if let Some(replaces) = place.replaces() {
        // Boxed: every connection has room for the rest.
        return Box::pin(store_beside(chat, new, replaces, place)).await;
    }
    let stored = chat.accepts.call(new).await.ok_or_else(|| ApiError::unavailable("shutting down"))?;
    stored.map_err(|error| {
        span.fail("not stored");
        ApiError::from(&*error)
    })
}

/// Stores it on a branch of its own, which is the chosen one then. Whatever refuses the message refuses the branch.
async fn store_beside(chat: &Chat, new: NewMessage, replaces: RequestId, place: Place) -> Result<Outcome, ApiError> {
    let mut transaction = chat.pool.begin().await?;
    let beside = Beside { user: new.user_id, conversation: new.conversation_id, replaces, opened_by: new.request_id };
    match branches::open(&mut transaction, beside).await? {
        Opened::Yes => {}
        Opened::NoTurn => return Err(ApiError::NotFound("turn of a conversation of yours")),
        Opened::TooMany => {
            let detail = format!("it has {MAX_BRANCHES} branches");
            return Err(ApiError::conflict(ProblemCode::TooManyBranches, detail));
        }
    }
    let request = new.request_id;
    let mut outcomes = accept::accept(&mut *transaction, &[new], chat.limits()).await?;
    let outcome = outcomes.pop().unwrap_or(Outcome::NoConversation);
    if matches!(outcome, Outcome::Stored(_)) {
        if let Place::Again { of, continues } = place {
            branches::mark_repeated(&mut *transaction, request, of, continues).await?;
        }
        transaction.commit().await?;
    }
    Ok(outcome)
}

/// The replay of the same message, if its key was used before.
pub(crate) async fn find_replay(chat: &Chat, user: UserId, key: Option<&Key>) -> Result<Option<Sent>, ApiError> {
    let Some(Key { key, fingerprint }) = key else { return Ok(None) };
    let Some(known) = idempotency::find(&chat.pool, user, key).await? else { return Ok(None) };
    let request_id =
        known.request_id.filter(|_| known.fingerprint == *fingerprint).ok_or_else(ApiError::idempotency_key_reused)?;
    let question = messages::question_of(&chat.pool, user, request_id).await?;
    let message = question.ok_or(ApiError::NotFound("conversation"))?;
    let created_at = message.created_at;
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
