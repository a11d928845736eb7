//! Conversations: a user's threads. Those of other users are a 404.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use serde::{Deserialize, Serialize};
use troupe_core::{
    events::ConversationEvent,
    ids::ConversationId,
    model::{Change, Conversation, Folder},
};
use troupe_db::{
    personas,
    replies::conversations::{self, ConversationChange, Filter, NewConversation},
};
use utoipa::{IntoParams, ToSchema};

use crate::{
    auth::caller::Caller,
    chat::{
        Chat,
        conversation_events::{tell, updated},
        export::{Format, export},
    },
    http::{
        error::ApiError,
        extract::{
            body::Body,
            idempotency::Keyed,
            paging::{Listed, Paging, Params},
            path::Id,
            validation::{self, Checks},
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
    /// In no list and no search, remembered by nobody, and deleted a day after its last message.
    #[serde(default)]
    temporary: bool,
    /// The language that the persona is to answer in, as in `/translation/languages`, or a dialect of one; without it,
    /// that of the messages.
    #[schema(example = "pt-BR", min_length = 2, max_length = 35)]
    language: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeConversation {
    #[schema(example = "About the sea", min_length = 1, max_length = 200)]
    title: Option<String>,
    pinned: Option<bool>,
    /// Archived conversations are in a list of their own.
    archived: Option<bool>,
    /// Null takes it out of its folder.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "Sea stories", min_length = 1, max_length = 60)]
    folder: Change<String>,
    /// The language of the replies from now on; null for that of the messages.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "pt-BR", min_length = 2, max_length = 35)]
    language: Change<String>,
}

/// Which conversations are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Listing {
    /// The `next` of the page before.
    after: Option<String>,
    /// The maximum number of items: 1 to 100, 50 by default.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
    /// Those that are archived, instead of those that are not.
    #[serde(default)]
    archived: bool,
    /// Only those that are pinned, or only those that are not.
    pinned: Option<bool>,
    /// Only those in this folder.
    #[param(min_length = 1, max_length = 60)]
    folder: Option<String>,
}

/// All folders.
#[derive(Serialize, ToSchema)]
pub(crate) struct Folders {
    items: Vec<Folder>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Exporting {
    #[serde(default)]
    #[param(inline)]
    format: Format,
}

/// Open a conversation
#[utoipa::path(post, path = "/conversations", tag = "conversations", security(("token" = ["chat:write"])), request_body = CreateConversation,
    responses((status = 201, body = Conversation), (status = 409, description = "the persona is yours, and hidden"),
        (status = 422, description = "no such persona")))]
pub(crate) async fn create_conversation(
    State(chat): State<Arc<Chat>>,
    Caller(user): Caller,
    Keyed { body: CreateConversation { persona, title, temporary, language }, key }: Keyed<CreateConversation>,
) -> Result<Created<Conversation>, ApiError> {
    let mut checks = Checks::default();
    checks.text("persona", &persona, 1..=63);
    if let Some(title) = &title {
        checks.text("title", title, 1..=200);
    }
    checks.done()?;
    if let Some(tag) = &language {
        validation::language("language", tag)?;
    }
    create_idempotent(&chat.pool, user, key, |db| {
        Box::pin(async move {
            let id = ConversationId::new();
            let (title, language) = (title.as_deref(), language.as_deref());
            let new = NewConversation { id, user, persona: &persona, title, temporary, language };
            if let Some(created) = conversations::create(&mut *db, new).await? {
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
#[utoipa::path(get, path = "/conversations", tag = "conversations", security(("token" = ["chat:read"])), params(Listing),
    responses((status = 200, body = Listed<Conversation>)))]
pub(crate) async fn list_conversations(
    State(chat): State<Arc<Chat>>,
    Caller(user): Caller,
    Params(Listing { after, limit, archived, pinned, folder }): Params<Listing>,
) -> Result<Json<Listed<Conversation>>, ApiError> {
    if let Some(folder) = &folder {
        check_folder(folder)?;
    }
    let page = Paging { after, limit }.page()?;
    let mut listing = conversations::list(&chat.pool, user, &Filter { archived, pinned, folder }, page).await?;
    let items = std::mem::take(&mut listing.items);
    Ok(Json(Listed::new(items, page.limit, |conversation| listing.after(conversation))))
}

/// Your folders
#[utoipa::path(get, path = "/conversations/folders", tag = "conversations", security(("token" = ["chat:read"])),
    responses((status = 200, body = Folders)))]
pub(crate) async fn list_folders(
    State(chat): State<Arc<Chat>>,
    Caller(user): Caller,
) -> Result<Json<Folders>, ApiError> {
    Ok(Json(Folders { items: conversations::folders(&chat.pool, user).await? }))
}

fn check_folder(folder: &str) -> Result<(), ApiError> {
    Checks::default().text("folder", folder, 1..=60).done()
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

/// Rename, pin, archive or file a conversation, or choose its language
#[utoipa::path(patch, path = "/conversations/{id}", operation_id = "rename_conversation", tag = "conversations", security(("token" = ["chat:write"])), params(("id" = ConversationId, Path)),
    request_body = ChangeConversation,
    responses((status = 200, body = Conversation), (status = 404, description = "no such conversation of yours")))]
pub(crate) async fn change_conversation(
    State(chat): State<Arc<Chat>>,
    Caller(user): Caller,
    Id(id): Id<ConversationId>,
    Body(ChangeConversation { title, pinned, archived, folder, language }): Body<ChangeConversation>,
) -> Result<Json<Conversation>, ApiError> {
    if let Some(title) = &title {
        Checks::default().text("title", title, 1..=200).done()?;
    }
    if let Change::Set(folder) = &folder {
        check_folder(folder)?;
    }
    if let Change::Set(tag) = &language {
        validation::language("language", tag)?;
    }
    let folder = match &folder {
        Change::Set(folder) => Change::Set(folder.trim()),
        other => other.as_deref(),
    };
    let title = title.as_deref().map(str::trim);
    let change = ConversationChange { title, pinned, archived, folder, language: language.as_deref() };
    let mut db = chat.pool.acquire().await?;
    let conversation = conversations::change(&mut db, user, id, change).await?.ok_or(MISSING)?;
    drop(db);
    tell(&chat, user, updated(conversation.clone(), false)).await;
    Ok(Json(conversation))
}

/// A conversation as a file
#[utoipa::path(get, path = "/conversations/{id}/export", tag = "conversations", security(("token" = ["chat:read"])),
    params(("id" = ConversationId, Path), Exporting),
    responses((status = 200, description = "the messages on its chosen path, the oldest first",
            content((serde_json::Value = "application/json"), (String = "text/markdown; charset=utf-8"))),
        (status = 404, description = "no such conversation of yours")))]
pub(crate) async fn export_conversation(
    State(chat): State<Arc<Chat>>,
    Caller(user): Caller,
    Id(id): Id<ConversationId>,
    Params(Exporting { format }): Params<Exporting>,
) -> Result<impl IntoResponse, ApiError> {
    let file = export(&chat, user, id, format).await?;
    let disposition = format!("attachment; filename=\"conversation-{id}.{}\"", format.extension());
    Ok(([(header::CONTENT_TYPE, format.media_type().to_owned()), (header::CONTENT_DISPOSITION, disposition)], file))
}

/// Delete a conversation with all its messages
#[utoipa::path(delete, path = "/conversations/{id}", tag = "conversations", security(("token" = ["chat:write"])), params(("id" = ConversationId, Path)),
    responses((status = 204), (status = 404, description = "no such conversation of yours")))]
pub(crate) async fn delete_conversation(
    State(chat): State<Arc<Chat>>,
    Caller(user): Caller,
    Id(id): Id<ConversationId>,
) -> Result<StatusCode, ApiError> {
    if !conversations::delete(&chat.pool, user, id).await? {
        return Err(MISSING);
    }
    tell(&chat, user, ConversationEvent::Deleted { conversation_id: id }).await;
    Ok(StatusCode::NO_CONTENT)
}
