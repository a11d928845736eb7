//! Documents of a persona, visible to its owner only.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use serde::Deserialize;
use troupe_core::{
    ids::{DocumentId, UserId},
    model::knowledge::Document,
};
use troupe_db::{
    knowledge::documents::{self, Shelf},
    personas,
};
use utoipa::IntoParams;

use crate::{
    auth::actor::Actor,
    auth::caller::Caller,
    http::{
        error::{ApiError, ProblemCode},
        extract::{
            paging::{Listed, Paging, Params},
            path::Id,
            upload::{Content, DocumentAddress, Upload},
            validation::Checks,
        },
        idempotent::{Created, create_idempotent, find_replay},
    },
    knowledge::{
        Knowledge,
        add_document::{add, delete, examine, fetch},
    },
    personas::{own::NO_PERSONA, settings::is_slug},
};

const MISSING: ApiError = ApiError::NotFound("document");

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Naming {
    /// The title; by default the document's own.
    #[param(min_length = 1, max_length = 200)]
    title: Option<String>,
}

/// Add a document to a persona
///
/// The body is the document itself: plain text, Markdown, HTML or PDF; or, as `application/json`, its URL, from which
/// it is fetched now, once. The media type is sniffed; `Content-Type` decides only between kinds of text. The document
/// has the status `pending` until a worker has read it. The same content again is the same document.
#[utoipa::path(post, path = "/personas/{slug}/documents", tag = "knowledge", security(("token" = ["personas:write"])), params(("slug" = String, Path), Naming),
    request_body(content((DocumentAddress = "application/json"), (String = "text/plain"), (String = "text/markdown"), (String = "text/html"), (Vec<u8> = "application/pdf"))),
    responses((status = 201, body = Document), (status = 404, description = "no such persona of yours"),
        (status = 415, description = "neither text, Markdown, HTML nor PDF")))]
pub(crate) async fn create_document(
    State(knowledge): State<Arc<Knowledge>>,
    Caller(owner): Caller,
    Actor(by): Actor,
    Id(slug): Id<String>,
    Params(Naming { title }): Params<Naming>,
    Upload { content, key }: Upload,
) -> Result<Created<Document>, ApiError> {
    if !is_slug(&slug) {
        return Err(NO_PERSONA);
    }
    let title = content.title().or(title);
    if let Some(title) = &title {
        Checks::default().text("title", title, 1..=200).done()?;
    }
    let (bytes, declared) = match content {
        Content::Document { bytes, declared } => (bytes, declared),
        Content::Address(DocumentAddress { url, .. }) => {
            if let Some(replayed) = find_replay(&knowledge.pool, owner, key.as_ref()).await? {
                return Ok(replayed);
            }
            fetch(&knowledge, Shelf { owner, slug: &slug }, &url).await?
        }
    };
    let examined = examine(bytes, declared).await?;
    create_idempotent(&knowledge.pool, owner, key, |db| {
        Box::pin(async move { add(db, &by, Shelf { owner, slug: &slug }, title.as_deref(), &examined).await })
    })
    .await
}

/// The documents of a persona of one's own, the newest first
#[utoipa::path(get, path = "/personas/{slug}/documents", tag = "knowledge", security(("token" = ["personas:read"])), params(("slug" = String, Path), Paging),
    responses((status = 200, body = Listed<Document>)))]
pub(crate) async fn list_documents(
    State(knowledge): State<Arc<Knowledge>>,
    Caller(owner): Caller,
    Id(slug): Id<String>,
    Params(paging): Params<Paging>,
) -> Result<Json<Listed<Document>>, ApiError> {
    let page = paging.page()?;
    let shelf = shelf(owner, &slug)?;
    let items = documents::list(&knowledge.pool, shelf, page).await?;
    if items.is_empty() && !personas::find(&knowledge.pool, owner, &slug).await?.is_some_and(|persona| persona.owned) {
        return Err(NO_PERSONA);
    }
    Ok(Json(Listed::new(items, page.limit, |document| document.id)))
}

/// One document: its progress, or why it failed
#[utoipa::path(get, path = "/personas/{slug}/documents/{id}", tag = "knowledge", security(("token" = ["personas:read"])),
    params(("slug" = String, Path), ("id" = DocumentId, Path)), responses((status = 200, body = Document)))]
pub(crate) async fn read_document(
    State(knowledge): State<Arc<Knowledge>>,
    Caller(owner): Caller,
    Id((slug, id)): Id<(String, DocumentId)>,
) -> Result<Json<Document>, ApiError> {
    documents::find(&knowledge.pool, shelf(owner, &slug)?, id).await?.map(Json).ok_or(MISSING)
}

/// The extracted text of a document
#[utoipa::path(get, path = "/personas/{slug}/documents/{id}/content", tag = "knowledge", security(("token" = ["personas:read"])),
    params(("slug" = String, Path), ("id" = DocumentId, Path)),
    responses((status = 200, body = String, content_type = "text/plain"),
        (status = 409, description = "it is still to be read, or could not be")))]
pub(crate) async fn read_content(
    State(knowledge): State<Arc<Knowledge>>,
    Caller(owner): Caller,
    Id((slug, id)): Id<(String, DocumentId)>,
) -> Result<impl IntoResponse, ApiError> {
    let content = documents::content(&knowledge.pool, shelf(owner, &slug)?, id).await?.ok_or(MISSING)?;
    let content = content.ok_or_else(|| {
        ApiError::conflict(ProblemCode::DocumentNotReady, "the document has no text: its status says why")
    })?;
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    Ok((headers, content))
}

/// Delete a document with its passages
#[utoipa::path(delete, path = "/personas/{slug}/documents/{id}", tag = "knowledge", security(("token" = ["personas:write"])),
    params(("slug" = String, Path), ("id" = DocumentId, Path)), responses((status = 204)))]
pub(crate) async fn delete_document(
    State(knowledge): State<Arc<Knowledge>>,
    Caller(owner): Caller,
    Actor(by): Actor,
    Id((slug, id)): Id<(String, DocumentId)>,
) -> Result<StatusCode, ApiError> {
    let deleted = delete(&knowledge.pool, &by, shelf(owner, &slug)?, id).await?;
    if deleted { Ok(StatusCode::NO_CONTENT) } else { Err(MISSING) }
}

fn shelf(owner: UserId, slug: &str) -> Result<Shelf<'_>, ApiError> {
    if is_slug(slug) { Ok(Shelf { owner, slug }) } else { Err(NO_PERSONA) }
}
