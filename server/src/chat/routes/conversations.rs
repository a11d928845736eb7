//! Conversations: a user's threads. Those of other users are a 404.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use troupe_core::{ids::ConversationId, model::Conversation};
use troupe_db::{personas, replies::conversations};
use utoipa::ToSchema;

use crate::{
    auth::caller::Caller,
    chat::Chat,
    http::{
        error::ApiError,
        extract::{
            body::Body,
            idempotency::Keyed,
            paging::{Listed, Paging, Params},
            path::Id,
            validation::Checks,
        },
        idempotent::{Created, create_idempotent},
    },
    personas::hidden,
};

const MISSING: ApiError = ApiError::NotFound("conversation");

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateConversation {
    /// The slug of the persona to talk with.
    #[schema(example = "demo")]
    persona: String,
    #[schema(min_length = 1, max_length = 200)]
    title: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RenameConversation {
    #[schema(example = "About the sea", min_length = 1, max_length = 200)]
    title: String,
}

/// Open a conversation
#[utoipa::path(post, path = "/conversations", tag = "conversations", security(("token" = ["chat:write"])), request_body = CreateConversation,
    responses((status = 201, body = Conversation), (status = 409, description = "the persona is yours, and hidden"),
        (status = 422, description = "no such persona")))]
pub(crate) async fn create_conversation(
    State(chat): State<Arc<Chat>>,
    Caller(user): Caller,
    Keyed { body: CreateConversation { persona, title }, key }: Keyed<CreateConversation>,
) -> Result<Created<Conversation>, ApiError> {
    let mut checks = Checks::default();
    checks.text("persona", &persona, 1..=63);
    if let Some(title) = &title {
        checks.text("title", title, 1..=200);
    }
    checks.done()?;
    create_idempotent(&chat.pool, user, key, |db| {
        Box::pin(async move {
            let created =
                conversations::create(&mut *db, ConversationId::new(), user, &persona, title.as_deref()).await?;
            if let Some(created) = created {
                return Ok(created);
            }
            // Only its owner finds a hidden persona.
            match personas::find(db, user, &persona).await? {
                Some(found) if found.hidden_at.is_some() => Err(hidden()),
                _ => Err(ApiError::field("persona", format!("there is no persona '{persona}'"))),
            }
        })
    })
    .await
}

/// One's conversations, by their last message, the newest first
///
/// All pages are of the list as it was at the first: messages that come meanwhile hide and repeat no conversation.
#[utoipa::path(get, path = "/conversations", tag = "conversations", security(("token" = ["chat:read"])), params(Paging),
    responses((status = 200, body = Listed<Conversation>)))]
pub(crate) async fn list_conversations(
    State(chat): State<Arc<Chat>>,
    Caller(user): Caller,
    Params(paging): Params<Paging>,
) -> Result<Json<Listed<Conversation>>, ApiError> {
    let page = paging.page()?;
    let mut listing = conversations::list(&chat.pool, user, page).await?;
    let items = std::mem::take(&mut listing.items);
    Ok(Json(Listed::new(items, page.limit, |conversation| listing.after(conversation))))
}

/// One conversation
#[utoipa::path(get, path = "/conversations/{id}", tag = "conversations", security(("token" = ["chat:read"])), params(("id" = ConversationId, Path)),
    responses((status = 200, body = Conversation), (status = 404, description = "no such conversation of yours")))]
pub(crate) async fn read_conversation(
    State(chat): State<Arc<Chat>>,
    Caller(user): Caller,
    Id(id): Id<ConversationId>,
) -> Result<Json<Conversation>, ApiError> {
    conversations::find(&chat.pool, user, id).await?.map(Json).ok_or(MISSING)
}

/// Rename a conversation
#[utoipa::path(patch, path = "/conversations/{id}", tag = "conversations", security(("token" = ["chat:write"])), params(("id" = ConversationId, Path)),
    request_body = RenameConversation,
    responses((status = 200, body = Conversation), (status = 404, description = "no such conversation of yours")))]
pub(crate) async fn rename_conversation(
    State(chat): State<Arc<Chat>>,
    Caller(user): Caller,
    Id(id): Id<ConversationId>,
    Body(RenameConversation { title }): Body<RenameConversation>,
) -> Result<Json<Conversation>, ApiError> {
    Checks::default().text("title", &title, 1..=200).done()?;
    conversations::rename(&chat.pool, user, id, title.trim()).await?.map(Json).ok_or(MISSING)
}

/// Delete a conversation with all its messages
#[utoipa::path(delete, path = "/conversations/{id}", tag = "conversations", security(("token" = ["chat:write"])), params(("id" = ConversationId, Path)),
    responses((status = 204), (status = 404, description = "no such conversation of yours")))]
pub(crate) async fn delete_conversation(
    State(chat): State<Arc<Chat>>,
    Caller(user): Caller,
    Id(id): Id<ConversationId>,
) -> Result<StatusCode, ApiError> {
    if conversations::delete(&chat.pool, user, id).await? { Ok(StatusCode::NO_CONTENT) } else { Err(MISSING) }
}
