//! Search in a persona's knowledge for its owner, the same as for replies.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use troupe_core::{
    ids::PassageId,
    model::{
        grounding::Mode,
        knowledge::{PassageLocation, SourceKind},
    },
};
use troupe_db::retrieval::{Ranked, Ranks};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    auth::caller::Caller,
    http::{
        error::ApiError,
        extract::{paging::Params, path::Id, validation::Checks},
    },
    knowledge::Knowledge,
    personas::own::own_persona,
};

const MAX_QUERY_CHARS: usize = 1_000;
const MAX_PASSAGES: usize = 50;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Asked {
    /// A question, as a user would put it.
    #[param(min_length = 1, max_length = 1000, example = "Where did you grow up?")]
    q: String,
    /// The maximum number of passages: 1 to 50, by default as for a reply (`retrieval.passages`).
    #[param(minimum = 1, maximum = 50)]
    limit: Option<usize>,
}

/// The result of a search, the best first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SearchResult {
    mode: Mode,
    passages: Vec<FoundPassage>,
}

#[derive(Debug, Serialize, ToSchema)]
struct FoundPassage {
    passage_id: PassageId,
    source_kind: SourceKind,
    /// The response or document.
    source_id: Uuid,
    place: PassageLocation,
    content: String,
    /// The fused score of both searches, by which they are ordered.
    #[schema(example = 0.0325)]
    score: f32,
    /// The rank in the keyword search.
    keyword_rank: Option<u32>,
    /// The rank in the vector search, and the cosine similarity (1: the same).
    vector_rank: Option<u32>,
    similarity: Option<f32>,
}

impl From<Ranked> for FoundPassage {
    fn from(Ranked { passage, score, ranks }: Ranked) -> Self {
        let Ranks { keyword, vector, similarity } = ranks;
        Self {
            passage_id: passage.id,
            source_kind: passage.source_kind,
            source_id: passage.source_id,
            place: passage.place.0,
            content: passage.content,
            score,
            keyword_rank: keyword,
            vector_rank: vector,
            similarity,
        }
    }
}

/// Search a persona's knowledge, as a reply does
///
/// A phrase in quotation marks is matched as a whole, `or` is an alternative, and `-` excludes.
#[utoipa::path(get, path = "/personas/{slug}/knowledge/search", tag = "knowledge", security(("token" = ["personas:read"])), params(("slug" = String, Path), Asked),
    responses((status = 200, body = SearchResult), (status = 404, description = "no such persona of yours")))]
pub(crate) async fn search_knowledge(
    State(knowledge): State<Arc<Knowledge>>,
    Caller(owner): Caller,
    Id(slug): Id<String>,
    Params(Asked { q, limit }): Params<Asked>,
) -> Result<Json<SearchResult>, ApiError> {
    Checks::default().text("q", &q, 1..=MAX_QUERY_CHARS).done()?;
    let max_passages = limit.unwrap_or(knowledge.config.retrieval.passages);
    if !(1..=MAX_PASSAGES).contains(&max_passages) {
        return Err(ApiError::field("limit", format!("must be from 1 to {MAX_PASSAGES}")));
    }
    let persona = own_persona(&knowledge.pool, owner, &slug).await?;
    let found = knowledge.retriever.find(persona, &q, max_passages).await;
    Ok(Json(SearchResult { mode: found.mode, passages: found.passages.into_iter().map(FoundPassage::from).collect() }))
}
