//! Messages of a conversation: read them, send one.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use troupe_core::{
    ids::ConversationId,
    model::{Message, QueuePosition, Request},
};
use troupe_db::replies::messages;
use utoipa::ToSchema;

use super::requests::Waiting;
use crate::{
    auth::caller::Caller,
    chat::{
        Chat,
        send::{IfBusy, Sending, send_message},
        wait::await_request,
    },
    http::{
        error::ApiError,
        extract::{
            body::Body,
            correlation::CorrelationId,
            idempotency::REPLAYED,
            message_headers::MessageHeaders,
            paging::{Listed, Paging, Params},
            path::Id,
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
}

/// A message that is stored, and the request that answers it.
#[derive(Serialize, ToSchema)]
pub(crate) struct MessageSent {
    request: Request,
    message: Message,
    /// Where it stands in the queue; absent while it waits for an earlier message, and when it was sent before.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<QueuePosition>,
}

/// The messages of a conversation, the newest first
#[utoipa::path(get, path = "/conversations/{id}/messages", tag = "messages", security(("token" = ["chat:read"])), params(("id" = ConversationId, Path), Paging),
    responses((status = 200, body = Listed<Message>), (status = 404, description = "no such conversation of yours")))]
pub(crate) async fn list_messages(
    State(chat): State<Arc<Chat>>,
    Caller(user): Caller,
    Id(id): Id<ConversationId>,
    Params(paging): Params<Paging>,
) -> Result<Json<Listed<Message>>, ApiError> {
    let page = paging.page()?;
    let items = messages::list(&chat.pool, user, id, page).await?.ok_or(ApiError::NotFound("conversation"))?;
    Ok(Json(Listed::new(items, page.limit, |message| message.id)))
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
    Body(CreateMessage { content, if_busy }): Body<CreateMessage>,
) -> Result<Response, ApiError> {
    let wait = waiting.time(&chat)?;
    let sending = Sending { conversation_id: id, content, if_busy, key, fresh };
    let sent = send_message(&chat, user, sending, &correlation_id).await?;
    let request = if wait.is_zero() {
        sent.request
    } else {
        // The message is accepted, even if waiting for it fails.
        await_request(&chat, user, sent.request.id, wait).await.unwrap_or(sent.request)
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
