//! What waits in a conversation: list it, edit it, put it into another order, withdraw it.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use troupe_core::{
    ids::{ConversationId, RequestId},
    model::Message,
};
use utoipa::ToSchema;

use super::turns::Nothing;
use crate::{
    auth::caller::Caller,
    chat::{
        Chat,
        waiting_line::{self, WaitingMessage},
    },
    http::{
        error::ApiError,
        extract::{body::Body, path::Id},
    },
};

/// All messages of a conversation that have no reply yet.
#[derive(Serialize, ToSchema)]
pub(crate) struct WaitingLine {
    /// In the order of their turns.
    items: Vec<WaitingMessage>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EditWaiting {
    #[schema(min_length = 1)]
    content: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reorder {
    /// All requests that can still be moved, in the order that is wanted.
    #[schema(max_items = 1000)]
    request_ids: Vec<RequestId>,
}

/// A message that was taken back.
#[derive(Serialize, ToSchema)]
pub(crate) struct Withdrawn {
    content: String,
}

/// What waits for a reply in a conversation, and why
#[utoipa::path(get, path = "/conversations/{id}/queue", tag = "messages", security(("token" = ["chat:read"])), params(("id" = ConversationId, Path)),
    responses((status = 200, body = WaitingLine), (status = 404, description = "no such conversation of yours")))]
pub(crate) async fn list_waiting(
    State(chat): State<Arc<Chat>>,
    Caller(user): Caller,
    Id(id): Id<ConversationId>,
) -> Result<Json<WaitingLine>, ApiError> {
    Ok(Json(WaitingLine { items: waiting_line::list(&chat, user, id).await? }))
}

/// Put what waits into another order
#[utoipa::path(put, path = "/conversations/{id}/queue", tag = "messages", security(("token" = ["chat:write"])), params(("id" = ConversationId, Path)),
    request_body = Reorder,
    responses((status = 200, body = WaitingLine), (status = 404, description = "no such conversation of yours"),
        (status = 409, description = "other messages wait now")))]
pub(crate) async fn reorder_waiting(
    State(chat): State<Arc<Chat>>,
    Caller(user): Caller,
    Id(id): Id<ConversationId>,
    Body(Reorder { request_ids }): Body<Reorder>,
) -> Result<Json<WaitingLine>, ApiError> {
    Ok(Json(WaitingLine { items: waiting_line::reorder(&chat, user, id, &request_ids).await? }))
}

/// Edit a message that waits
#[utoipa::path(patch, path = "/requests/{id}", tag = "messages", security(("token" = ["chat:write"])), params(("id" = RequestId, Path)),
    request_body = EditWaiting,
    responses((status = 200, body = Message), (status = 404, description = "no such request of yours"),
        (status = 409, description = "it does not wait any more")))]
pub(crate) async fn edit_waiting(
    State(chat): State<Arc<Chat>>,
    Caller(user): Caller,
    Id(id): Id<RequestId>,
    Body(EditWaiting { content }): Body<EditWaiting>,
) -> Result<Json<Message>, ApiError> {
    waiting_line::edit(&chat, user, id, &content).await.map(Json)
}

/// Take back a message that no worker has begun
///
/// It is gone then, as if it had never been sent.
#[utoipa::path(post, path = "/requests/{id}/withdraw", tag = "messages", security(("token" = ["chat:write"])), params(("id" = RequestId, Path)),
    request_body = Nothing,
    responses((status = 200, body = Withdrawn), (status = 404, description = "no such request of yours"),
        (status = 409, description = "it does not wait any more")))]
pub(crate) async fn withdraw(
    State(chat): State<Arc<Chat>>,
    Caller(user): Caller,
    Id(id): Id<RequestId>,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Json<Withdrawn>, ApiError> {
    Ok(Json(Withdrawn { content: waiting_line::withdraw(&chat, user, id).await? }))
}
