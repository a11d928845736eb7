//! Messages of a conversation: read them, send one.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use troupe_core::{
    ids::{ConversationId, MessageId, RequestId, UserId},
    model::{Message, QueuePosition, Request},
};
use troupe_db::{
    Page,
    replies::messages::{self, Window},
};
use utoipa::{IntoParams, ToSchema};

use super::requests::Waiting;
use crate::{
    auth::caller::Caller,
    chat::{
        Chat,
        send::{IfBusy, Place, Sending, Sent, send_message},
        wait::await_request,
    },
    http::{
        error::ApiError,
        extract::{
            body::Body,
            correlation::CorrelationId,
            idempotency::REPLAYED,
            message_headers::MessageHeaders,
            paging::{Paging, Params},
            path::Id,
            validation::Checks,
        },
    },
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateMessage {
    /// At most 32 KiB, unless the server is set up otherwise.
    #[schema(example = "What is the first thing that you remember about the sea?", min_length = 1)]
    content: String,
    #[serde(default)]
    if_busy: IfBusy,
    /// The request of a turn that this one is to stand beside, on a branch of its own: a question that is edited and
    /// asked again. If that turn's reply is still being written, it is cancelled.
    replaces: Option<RequestId>,
}

/// A message that is stored, and the request that answers it.
#[derive(Serialize, ToSchema)]
pub(super) struct MessageSent {
    request: Request,
    message: Message,
    /// Where it stands in the queue; absent while it waits for an earlier message, and when it was sent before.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<QueuePosition>,
}

/// Which messages are read.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Reading {
    /// The `next` of a page: the messages before it.
    after: Option<String>,
    /// The `newer` of a page: the messages after it.
    before: Option<String>,
    /// A request: the messages around its turn.
    around: Option<RequestId>,
    /// The maximum number of messages: 1 to 100, 50 by default.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
}

/// A page of messages.
#[derive(Serialize, ToSchema)]
pub(crate) struct Messages {
    items: Vec<Message>,
    /// Where the page of older ones begins; null where there are none.
    next: Option<MessageId>,
    /// Where the page of newer ones begins; null where there are none.
    newer: Option<MessageId>,
}

/// The messages of a conversation on its chosen path, the newest first
#[utoipa::path(get, path = "/conversations/{id}/messages", tag = "messages", security(("token" = ["chat:read"])), params(("id" = ConversationId, Path), Reading),
    responses((status = 200, body = Messages),
        (status = 404, description = "no such conversation of yours, or no such turn on its path")))]
pub(crate) async fn list_messages(
    State(chat): State<Arc<Chat>>,
    Caller(user): Caller,
    Id(id): Id<ConversationId>,
    Params(Reading { after, before, around, limit }): Params<Reading>,
) -> Result<Json<Messages>, ApiError> {
    let given = [after.is_some(), before.is_some(), around.is_some()].into_iter().filter(|given| *given).count();
    Checks::default().rule(given <= 1, "query", "after, before and around exclude each other").done()?;
    let Page { after, limit } = Paging { after, limit }.page::<MessageId>()?;
    let shown = usize::try_from(limit - 1).unwrap_or_default();
    if let Some(around) = around {
        return read_around(&chat.pool, user, id, around, shown).await.map(Json);
    }
    if let Some(before) = before {
        let before = before.parse().map_err(|_| ApiError::field("before", "is not the newer of any page"))?;
        let mut items = read(&chat.pool, user, id, Window::After(before), limit).await?;
        // The newest first, so what is beyond the page is at the beginning.
        let more = items.len() > shown;
        items.drain(..items.len().saturating_sub(shown));
        let (next, newer) = (items.last().map(|last| last.id), items.first().filter(|_| more).map(|first| first.id));
        return Ok(Json(Messages { items, next, newer }));
    }
    let mut items = read(&chat.pool, user, id, Window::Before(after), limit).await?;
    let more = items.len() > shown;
    items.truncate(shown);
    let next = items.last().filter(|_| more).map(|last| last.id);
    let newer = items.first().filter(|_| after.is_some()).map(|first| first.id);
    Ok(Json(Messages { items, next, newer }))
}

async fn read(
    pool: &PgPool,
    user: UserId,
    id: ConversationId,
    window: Window,
    limit: i64,
) -> Result<Vec<Message>, ApiError> {
    messages::list(pool, user, id, window, limit).await?.ok_or(ApiError::NotFound("conversation"))
}

/// Half of the page up to the question of a turn, and half after it.
async fn read_around(
    pool: &PgPool,
    user: UserId,
    id: ConversationId,
    around: RequestId,
    shown: usize,
) -> Result<Messages, ApiError> {
    let question = messages::question_id(pool, user, id, around).await?.ok_or(ApiError::NotFound("turn"))?;
    let half = (shown / 2).max(1);
    let limit = i64::try_from(half).unwrap_or_default() + 1;
    let mut items = read(pool, user, id, Window::After(question), limit).await?;
    let newer = (items.len() > half).then(|| items.remove(0)).and(items.first().map(|first| first.id));
    let from = items.last().map(|oldest| oldest.id);
    let mut older = read(pool, user, id, Window::Before(from), limit + 1).await?;
    let more = older.len() > half + 1;
    older.truncate(half + 1);
    items.extend(older);
    if !items.iter().any(|message| message.id == question) {
        return Err(ApiError::NotFound("turn on the chosen path"));
    }
    let next = items.last().filter(|_| more).map(|last| last.id);
    Ok(Messages { items, next, newer })
}

/// Send a message
///
/// Answers 202 as soon as the message is stored; the reply comes over the socket, the event stream, or by polling the
/// request. With an `Idempotency-Key` the same call made again is answered as the first time. With `wait` it answers
/// 200 with the finished request, or 202 when the time has run out. With `Cache-Control: no-cache` a persona that gives
/// replies again writes a new one.
#[utoipa::path(post, path = "/conversations/{id}/messages", tag = "messages", security(("token" = ["chat:write"])), params(("id" = ConversationId, Path), Waiting),
    request_body = CreateMessage,
    responses(
        (status = 200, body = MessageSent, description = "finished within `wait`"),
        (status = 202, body = MessageSent, description = "accepted",
            headers(("Location" = String, description = "the request"), ("Retry-After" = u32))),
        (status = 404, description = "no such conversation of yours"),
        (status = 409,
            description = "an earlier message waits for its reply, and `if_busy` is `reject`; or the persona is hidden"),
        (status = 429, description = "too many of your messages wait for their replies"),
        (status = 503, description = "the service has as much to do as it can take, or a part does not answer"),
    ))]
pub(crate) async fn create_message(
    State(chat): State<Arc<Chat>>,
    Caller(user): Caller,
    CorrelationId(correlation_id): CorrelationId,
    Id(id): Id<ConversationId>,
    Params(waiting): Params<Waiting>,
    MessageHeaders { key, fresh }: MessageHeaders,
    Body(CreateMessage { content, if_busy, replaces }): Body<CreateMessage>,
) -> Result<Response, ApiError> {
    let wait = waiting.time(chat.config.server.max_wait)?;
    let place = replaces.map_or(Place::End, Place::Beside);
    let sending = Sending { conversation_id: id, content, if_busy, key, fresh, place, brought: None };
    let sent = send_message(&chat, user, sending, &correlation_id).await?;
    respond(&chat, user, sent, wait).await
}

/// 200 with what has ended within the wait, 202 with what has not.
pub(super) async fn respond(chat: &Chat, user: UserId, sent: Sent, wait: Duration) -> Result<Response, ApiError> {
    let request = if wait.is_zero() {
        sent.request
    } else {
        // The message is accepted, even if waiting for it fails.
        await_request(chat, user, sent.request.id, wait).await.unwrap_or(sent.request)
    };
    let done = request.status.is_final();
    let location = format!("/api/v1/requests/{}", request.id);
    let body = Json(MessageSent { request, message: sent.message, place: sent.place.filter(|_| !done) });
    let location = [(header::LOCATION, location)];
    let replayed = sent.replayed.then_some(REPLAYED).map(|replayed| [replayed]);
    if done {
        return Ok((StatusCode::OK, location, replayed, body).into_response());
    }
    let later = [(header::RETRY_AFTER, HeaderValue::from_static("1"))];
    Ok((StatusCode::ACCEPTED, location, later, replayed, body).into_response())
}
