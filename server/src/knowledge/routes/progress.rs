//! How far the indexing of a persona's knowledge has come, for its owner.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use troupe_db::knowledge::progress;
use utoipa::ToSchema;

use crate::{
    auth::caller::Caller,
    http::{error::ApiError, extract::path::Id},
    knowledge::Knowledge,
    personas::own::own_persona,
};

/// What replies draw on, and how much of what has changed they do not find yet.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KnowledgeProgress {
    /// Excerpts of answers and documents, which are found by their words.
    #[schema(example = 120)]
    passages: i64,
    pending: Pending,
}

#[derive(Debug, Serialize, ToSchema)]
struct Pending {
    /// Answers and documents that have changed since their passages were made.
    #[schema(example = 0)]
    sources: i64,
    /// Passages that are not found by their meaning yet.
    #[schema(example = 4)]
    vectors: i64,
}

/// The progress of the indexing of a persona's knowledge
#[utoipa::path(get, path = "/personas/{slug}/knowledge", tag = "knowledge", security(("token" = ["personas:read"])), params(("slug" = String, Path)),
    responses((status = 200, body = KnowledgeProgress), (status = 404, description = "no such persona of yours")))]
pub(crate) async fn read_knowledge(
    State(knowledge): State<Arc<Knowledge>>,
    Caller(owner): Caller,
    Id(slug): Id<String>,
) -> Result<Json<KnowledgeProgress>, ApiError> {
    let persona = own_persona(&knowledge.pool, owner, &slug).await?;
    let progress = progress::of(&knowledge.pool, persona).await?;
    let pending = Pending { sources: progress.pending_sources, vectors: progress.pending_vectors };
    Ok(Json(KnowledgeProgress { passages: progress.passages, pending }))
}
