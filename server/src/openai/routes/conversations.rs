//! Conversations: those of the chat, by the names and in the shapes of the protocol.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use troupe_core::{
    events::ConversationEvent,
    ids::{ConversationId, UserId},
};
use troupe_db::replies::{
    conversations::{self, NewConversation},
    messages::{self, Window},
};
use utoipa::ToSchema;

use crate::{
    auth::caller::Caller,
    chat::conversation_events::{tell, tell_updated},
    http::{
        error::ApiError,
        extract::{idempotency::REPLAYED, message_headers::MessageHeaders, paging::Params, path::Id},
        idempotent::{Created, Key, create_idempotent},
    },
    openai::{
        OpenAi,
        body::{Call, OpenAiBody, Unsupported, is_empty},
        items::{Item, ItemPaging, Items},
        metadata::{self, Metadata},
        response::id::ConversationName,
    },
};

const MISSING: ApiError = ApiError::NotFound("conversation");
/// Of the newest; older ones are in our own API.
const MAX_MESSAGES: i64 = 1_000;

/// A conversation that is to be made. Fields that are not named here are ignored, or refused by their names.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NewConversationCall {
    /// The persona that it is with; or `metadata.model`.
    #[serde(default)]
    #[schema(example = "demo")]
    model: Option<String>,
    /// At most 16 texts.
    #[serde(default)]
    metadata: Option<Metadata>,
}

impl Call for NewConversationCall {
    const UNSUPPORTED: &'static [Unsupported] = &[("items", is_empty)];
}

/// What is noted with a conversation.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NotedMetadata {
    metadata: Metadata,
}

impl Call for NotedMetadata {
    const UNSUPPORTED: &'static [Unsupported] = &[];
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConversationView {
    #[schema(example = "conv_01934a7e3c5b7d1a9f2e4c6b8a0d1e3f")]
    id: ConversationName,
    #[schema(example = "conversation")]
    object: &'static str,
    /// In seconds since 1970.
    created_at: i64,
    metadata: Metadata,
    /// The persona that it is with.
    model: String,
}

/// A conversation that is no more.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeletedConversation {
    id: String,
    #[schema(example = "conversation.deleted")]
    object: &'static str,
    deleted: bool,
}

/// Make a conversation
#[utoipa::path(post, path = "/v1/conversations", tag = super::TAG, security(("token" = ["chat:write"])), request_body = NewConversationCall,
    responses((status = 200, body = ConversationView), (status = 404, description = "no persona that you may talk with")))]
pub(crate) async fn make_conversation(
    State(openai): State<Arc<OpenAi>>,
    Caller(user): Caller,
    MessageHeaders { key, .. }: MessageHeaders,
    OpenAiBody { call, bytes }: OpenAiBody<NewConversationCall>,
) -> Result<Response, ApiError> {
    let metadata = call.metadata.unwrap_or_default();
    metadata::check(&metadata)?;
    let model = call.model.or_else(|| metadata.get("model").cloned());
    let model = model.ok_or_else(|| ApiError::field("model", "or metadata.model must name the persona"))?;
    let key = key.map(|key| Key::new(key, &[b"conversation", &bytes]));
    let created = create_idempotent(&openai.pool, user, key, |db| {
        Box::pin(async move {
            let id = ConversationId::new();
            let new = NewConversation { id, user, persona: &model, title: None, temporary: false, language: None };
            let made = conversations::create(db, new).await?.ok_or(ApiError::NotFound("model"))?;
            conversations::set_metadata(&mut *db, user, id, &metadata).await?;
            let created_at = made.created_at.timestamp();
            Ok(ConversationView { id: ConversationName(id), object: "conversation", created_at, metadata, model })
        })
    })
    .await?;
    Ok(match created {
        Created::New(view) => {
            tell_updated(&openai.chat, user, view.id.0, false).await;
            Json(view).into_response()
        }
        Created::Replayed(answer) => ([REPLAYED], Json(answer)).into_response(),
    })
}

/// A conversation
#[utoipa::path(get, path = "/v1/conversations/{id}", tag = super::TAG, security(("token" = ["chat:read"])), params(("id" = String, Path)),
    responses((status = 200, body = ConversationView), (status = 404, description = "no such conversation of yours")))]
pub(crate) async fn show_conversation(
    State(openai): State<Arc<OpenAi>>,
    Caller(user): Caller,
    Id(id): Id<String>,
) -> Result<Json<ConversationView>, ApiError> {
    find(&openai, user, name(&id)?).await.map(Json)
}

/// Note something else with a conversation
#[utoipa::path(post, path = "/v1/conversations/{id}", tag = super::TAG, security(("token" = ["chat:write"])), params(("id" = String, Path)),
    request_body = NotedMetadata, responses((status = 200, body = ConversationView), (status = 404, description = "no such conversation of yours")))]
pub(crate) async fn note_metadata(
    State(openai): State<Arc<OpenAi>>,
    Caller(user): Caller,
    Id(id): Id<String>,
    OpenAiBody { call, .. }: OpenAiBody<NotedMetadata>,
) -> Result<Json<ConversationView>, ApiError> {
    metadata::check(&call.metadata)?;
    let id = name(&id)?;
    if !conversations::set_metadata(&openai.pool, user, id, &call.metadata).await? {
        return Err(MISSING);
    }
    find(&openai, user, id).await.map(Json)
}

/// Delete a conversation with all that was said in it
#[utoipa::path(delete, path = "/v1/conversations/{id}", tag = super::TAG, security(("token" = ["chat:write"])), params(("id" = String, Path)),
    responses((status = 200, body = DeletedConversation), (status = 404, description = "no such conversation of yours")))]
pub(crate) async fn drop_conversation(
    State(openai): State<Arc<OpenAi>>,
    Caller(user): Caller,
    Id(id): Id<String>,
) -> Result<Json<DeletedConversation>, ApiError> {
    let conversation_id = name(&id)?;
    if !conversations::delete(&openai.pool, user, conversation_id).await? {
        return Err(MISSING);
    }
    tell(&openai.chat, user, ConversationEvent::Deleted { conversation_id }).await;
    Ok(Json(DeletedConversation { id, object: "conversation.deleted", deleted: true }))
}

/// What was said in a conversation
///
/// On its chosen path, of the newest thousand messages.
#[utoipa::path(get, path = "/v1/conversations/{id}/items", tag = super::TAG, security(("token" = ["chat:read"])),
    params(("id" = String, Path), ItemPaging), responses((status = 200, body = Items), (status = 404, description = "no such conversation of yours")))]
pub(crate) async fn list_items(
    State(openai): State<Arc<OpenAi>>,
    Caller(user): Caller,
    Id(id): Id<String>,
    Params(paging): Params<ItemPaging>,
) -> Result<Json<Items>, ApiError> {
    let newest = messages::list(&openai.pool, user, name(&id)?, Window::Before(None), MAX_MESSAGES).await?;
    let newest = newest.ok_or(MISSING)?;
    paging.page(newest.iter().rev().map(Item::from).collect()).map(Json)
}

fn name(id: &str) -> Result<ConversationId, ApiError> {
    id.parse().map(|ConversationName(id)| id).map_err(|_| MISSING)
}

async fn find(openai: &OpenAi, user: UserId, id: ConversationId) -> Result<ConversationView, ApiError> {
    let conversation = conversations::find(&openai.pool, user, id).await?.ok_or(MISSING)?;
    let metadata = conversations::metadata(&openai.pool, user, id).await?.ok_or(MISSING)?;
    Ok(ConversationView {
        id: ConversationName(id),
        object: "conversation",
        created_at: conversation.created_at.timestamp(),
        metadata,
        model: conversation.persona.slug,
    })
}
