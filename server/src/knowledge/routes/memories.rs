//! A persona's memories of the caller. Each user lists, adds and deletes only their own.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use sqlx::PgConnection;
use troupe_core::{
    ids::{MemoryId, UserId},
    model::memory::{MAX_FACT_CHARS, Memory},
};
use troupe_db::{knowledge::memories, personas};
use utoipa::ToSchema;

use crate::{
    auth::caller::Caller,
    http::{
        error::{ApiError, ProblemCode},
        extract::{
            idempotency::Keyed,
            paging::{Listed, Paging, Params},
            path::Id,
            validation::Checks,
        },
        idempotent::{Created, create_idempotent},
    },
    knowledge::Knowledge,
    personas::settings::is_slug,
};

const TAG: &str = "memories";
const NO_PERSONA: ApiError = ApiError::NotFound("persona");
const NO_MEMORY: ApiError = ApiError::NotFound("memory of you");

/// The memories of a persona about you, the newest first
///
/// Also of a persona that you may not talk with any more.
#[utoipa::path(get, path = "/personas/{slug}/memories", tag = TAG, security(("token" = ["chat:read"])), params(("slug" = String, Path), Paging),
    responses((status = 200, body = Listed<Memory>)))]
pub(crate) async fn list_memories(
    State(knowledge): State<Arc<Knowledge>>,
    Caller(user): Caller,
    Id(slug): Id<String>,
    Params(paging): Params<Paging>,
) -> Result<Json<Listed<Memory>>, ApiError> {
    let page = paging.page()?;
    let items = if is_slug(&slug) { memories::list(&knowledge.pool, user, &slug, page).await? } else { Vec::new() };
    if items.is_empty() {
        must_be_there(&knowledge, user, &slug).await?;
    }
    Ok(Json(Listed::new(items, page.limit, |memory| memory.id)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WriteMemory {
    #[schema(example = "I am allergic to nuts", min_length = 1, max_length = 500)]
    fact: String,
}

/// Add a memory to a persona
///
/// Up to 100 per user; the oldest are removed. An existing one is returned as it is.
#[utoipa::path(post, path = "/personas/{slug}/memories", tag = TAG, security(("token" = ["chat:write"])), params(("slug" = String, Path)), request_body = WriteMemory,
    responses((status = 201, body = Memory), (status = 409, description = "the persona remembers nothing")))]
pub(crate) async fn create_memory(
    State(knowledge): State<Arc<Knowledge>>,
    Caller(user): Caller,
    Id(slug): Id<String>,
    Keyed { body: new, key }: Keyed<WriteMemory>,
) -> Result<Created<Memory>, ApiError> {
    Checks::default().text("fact", &new.fact, 1..=MAX_FACT_CHARS).done()?;
    if !is_slug(&slug) {
        return Err(NO_PERSONA);
    }
    create_idempotent(&knowledge.pool, user, key, |db| Box::pin(create(db, user, slug, new.fact))).await
}

async fn create(db: &mut PgConnection, user: UserId, slug: String, fact: String) -> Result<Memory, ApiError> {
    let persona = personas::find(&mut *db, user, &slug).await?.ok_or(NO_PERSONA)?;
    if !persona.remembers {
        return Err(ApiError::conflict(ProblemCode::RemembersNothing, format!("'{slug}' remembers nothing")));
    }
    Ok(memories::write(db, user, persona.id, fact.trim()).await?)
}

/// Delete one memory
#[utoipa::path(delete, path = "/personas/{slug}/memories/{id}", tag = TAG, security(("token" = ["chat:write"])),
    params(("slug" = String, Path), ("id" = MemoryId, Path)), responses((status = 204)))]
pub(crate) async fn delete_memory(
    State(knowledge): State<Arc<Knowledge>>,
    Caller(user): Caller,
    Id((slug, id)): Id<(String, MemoryId)>,
) -> Result<StatusCode, ApiError> {
    let known = is_slug(&slug) && memories::delete(&knowledge.pool, user, &slug, id).await?;
    if known { Ok(StatusCode::NO_CONTENT) } else { Err(NO_MEMORY) }
}

/// Delete all memories of a persona about you
#[utoipa::path(delete, path = "/personas/{slug}/memories", tag = TAG, security(("token" = ["chat:write"])), params(("slug" = String, Path)),
    responses((status = 204)))]
pub(crate) async fn delete_memories(
    State(knowledge): State<Arc<Knowledge>>,
    Caller(user): Caller,
    Id(slug): Id<String>,
) -> Result<StatusCode, ApiError> {
    if !is_slug(&slug) || memories::delete_all(&knowledge.pool, user, &slug).await? == 0 {
        must_be_there(&knowledge, user, &slug).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// A persona that the user may not talk with is a 404, unless it has memories of them.
async fn must_be_there(knowledge: &Knowledge, user: UserId, slug: &str) -> Result<(), ApiError> {
    let found = is_slug(slug) && personas::find(&knowledge.pool, user, slug).await?.is_some();
    if found { Ok(()) } else { Err(NO_PERSONA) }
}
