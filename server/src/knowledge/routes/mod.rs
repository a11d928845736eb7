//! Knowledge of personas over HTTP.

mod documents;
mod memories;
mod progress;
mod search;

use axum::extract::FromRef;
use std::sync::Arc;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::knowledge::Knowledge;

pub(crate) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Knowledge>: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(documents::create_document, documents::list_documents))
        .routes(routes!(documents::read_document, documents::delete_document))
        .routes(routes!(documents::read_content))
        .routes(routes!(progress::read_knowledge))
        .routes(routes!(search::search_knowledge))
        .routes(routes!(memories::list_memories, memories::create_memory, memories::delete_memories))
        .routes(routes!(memories::delete_memory))
}
