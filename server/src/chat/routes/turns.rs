//! Turns beside other turns: replies written again, or gone on with; the chosen path; forks.

use std::sync::Arc;

use axum::{Json, extract::State, response::Response};
use serde::Deserialize;
use troupe_core::{
    ids::{ConversationId, RequestId},
    model::Conversation,
};
use utoipa::ToSchema;

use super::{messages::MessageSent, requests::Waiting};
use crate::{
    auth::caller::Caller,
    chat::{Chat, turns},
    http::{
        error::ApiError,
        extract::{
            body::Body, correlation::CorrelationId, idempotency::Keyed, message_headers::MessageHeaders,
            paging::Params, path::Id, validation::Checks,
        },
        idempotent::Created,
    },
};

/// Nothing, as an object.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChoosePath {
    /// The request of a turn.
    through: RequestId,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForkConversation {
    /// The request of the last turn that is copied.
    until: RequestId,
    #[schema(min_length = 1, max_length = 200)]
    title: Option<String>,
}

/// Ask for another reply
///
/// To the same question, on a branch of its own, which is the chosen one then; never a cached one. A reply that is
/// still being written is cancelled.
#[utoipa::path(post, path = "/requests/{id}/regenerate", tag = "requests", security(("token" = ["chat:write"])), params(("id" = RequestId, Path), Waiting),
    request_body = Nothing,
    responses(
        (status = 200, body = MessageSent, description = "finished within `wait`"),
        (status = 202, body = MessageSent, description = "accepted"),
        (status = 404, description = "no such request of yours"),
        (status = 409, description = "the persona is hidden, or the conversation has too many branches")))]
pub(crate) async fn regenerate(
    State(chat): State<Arc<Chat>>,
    Caller(user): Caller,
    CorrelationId(correlation_id): CorrelationId,
    Id(id): Id<RequestId>,
    Params(waiting): Params<Waiting>,
    MessageHeaders { key, .. }: MessageHeaders,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Response, ApiError> {
    let wait = waiting.time(chat.config.server.max_wait)?;
    let sent = turns::ask_again(&chat, user, id, false, key, &correlation_id).await?;
    super::messages::respond(&chat, user, sent, wait).await
}

/// Go on with a reply
///
/// Like another reply to the same question, but it begins with the text of this one.
#[utoipa::path(post, path = "/requests/{id}/continue", tag = "requests", security(("token" = ["chat:write"])), params(("id" = RequestId, Path), Waiting),
    request_body = Nothing,
    responses(
        (status = 200, body = MessageSent, description = "finished within `wait`"),
        (status = 202, body = MessageSent, description = "accepted"),
        (status = 404, description = "no such request of yours"),
        (status = 409, description = "it has not ended with any text, the persona is hidden, or there are too many branches")))]
pub(crate) async fn continue_reply(
    State(chat): State<Arc<Chat>>,
    Caller(user): Caller,
    CorrelationId(correlation_id): CorrelationId,
    Id(id): Id<RequestId>,
    Params(waiting): Params<Waiting>,
    MessageHeaders { key, .. }: MessageHeaders,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Response, ApiError> {
    let wait = waiting.time(chat.config.server.max_wait)?;
    let sent = turns::ask_again(&chat, user, id, true, key, &correlation_id).await?;
    super::messages::respond(&chat, user, sent, wait).await
}

/// Choose the path through a turn
///
/// Of all branches that have the turn the one that was chosen last. New messages go to its end, and it is what is
/// listed.
#[utoipa::path(put, path = "/conversations/{id}/path", tag = "conversations", security(("token" = ["chat:write"])), params(("id" = ConversationId, Path)),
    request_body = ChoosePath,
    responses((status = 200, body = Conversation), (status = 404, description = "no such turn of a conversation of yours")))]
pub(crate) async fn choose_path(
    State(chat): State<Arc<Chat>>,
    Caller(user): Caller,
    Id(id): Id<ConversationId>,
    Body(ChoosePath { through }): Body<ChoosePath>,
) -> Result<Json<Conversation>, ApiError> {
    turns::choose_path(&chat, user, id, through).await.map(Json)
}

/// Fork a conversation
///
/// A new one with a copy of the path up to a turn, and through it. Turns that have failed or not ended stay behind.
#[utoipa::path(post, path = "/conversations/{id}/fork", tag = "conversations", security(("token" = ["chat:write"])), params(("id" = ConversationId, Path)),
    request_body = ForkConversation,
    responses((status = 201, body = Conversation), (status = 404, description = "no such turn of a conversation of yours, or no such persona any more")))]
pub(crate) async fn fork_conversation(
    State(chat): State<Arc<Chat>>,
    Caller(user): Caller,
    Id(id): Id<ConversationId>,
    Keyed { body: ForkConversation { until, title }, key }: Keyed<ForkConversation>,
) -> Result<Created<Conversation>, ApiError> {
    if let Some(title) = &title {
        Checks::default().text("title", title, 1..=200).done()?;
    }
    turns::fork(&chat, user, id, until, title, key).await
}
