//! Messages of a conversation: read them, send one.

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use troupe_shared::{
    db::messages,
    ids::ConversationId,
    model::{Message, Request},
};
use utoipa::ToSchema;

use super::requests::Waiting;
use crate::{
    error::ApiError,
    extract::{
        auth::Caller,
        body::Body,
        correlation::CorrelationId,
        paging::{Listed, Paging, Params},
        path::Id,
    },
    state::AppState,
    usecase::{await_request::await_request, send_message::send_message},
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateMessage {
    /// At most 32 KiB, unless the server is set up otherwise.
    #[schema(example = "What is the first thing that you remember about the sea?", min_length = 1)]
    content: String,
}

/// A message that is stored, and the request that answers it.
#[derive(Serialize, ToSchema)]
pub(crate) struct MessageSent {
    request: Request,
    message: Message,
}

/// The messages of a conversation, the newest first
#[utoipa::path(get, path = "/conversations/{id}/messages", tag = "messages", params(("id" = ConversationId, Path), Paging),
    responses((status = 200, body = Listed<Message>), (status = 404, description = "no such conversation of yours")))]
pub(crate) async fn list_messages(
    State(state): State<AppState>,
    Caller(user): Caller,
    Id(id): Id<ConversationId>,
    Params(paging): Params<Paging>,
) -> Result<Json<Listed<Message>>, ApiError> {
    let page = paging.page()?;
    let items = messages::list(&state.pool, user, id, page).await?.ok_or(ApiError::NotFound("conversation"))?;
    Ok(Json(Listed::new(items, page.limit, |message| message.id)))
}

/// Send a message
///
/// Answers 202 as soon as the message is stored; the reply comes over the socket, the event stream, or by polling the
/// request. With `wait` it answers 200 with the finished request, or 202 when the time has run out.
#[utoipa::path(post, path = "/conversations/{id}/messages", tag = "messages", params(("id" = ConversationId, Path), Waiting),
    request_body = CreateMessage,
    responses(
        (status = 200, body = MessageSent, description = "finished within `wait`"),
        (status = 202, body = MessageSent, description = "accepted",
            headers(("Location" = String, description = "the request"), ("Retry-After" = u32))),
        (status = 404, description = "no such conversation of yours"),
    ))]
pub(crate) async fn create_message(
    State(state): State<AppState>,
    Caller(user): Caller,
    CorrelationId(correlation_id): CorrelationId,
    Id(id): Id<ConversationId>,
    Params(waiting): Params<Waiting>,
    Body(CreateMessage { content }): Body<CreateMessage>,
) -> Result<Response, ApiError> {
    let wait = waiting.time(&state)?;
    let sent = send_message(&state, user, id, content, &correlation_id).await?;
    let request = if wait.is_zero() {
        sent.request
    } else {
        // It is accepted: not being able to look at it is no reason to say otherwise.
        await_request(&state, user, sent.request.id, wait).await.unwrap_or(sent.request)
    };
    let (done, location) = (request.status.is_final(), format!("/api/v1/requests/{}", request.id));
    let body = Json(MessageSent { request, message: sent.message });
    let location = [(header::LOCATION, location)];
    if done {
        return Ok((StatusCode::OK, location, body).into_response());
    }
    Ok((StatusCode::ACCEPTED, location, [(header::RETRY_AFTER, HeaderValue::from_static("1"))], body).into_response())
}
