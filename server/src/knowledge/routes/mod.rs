//! What personas know, over HTTP.

mod documents;
mod memories;
mod search;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::state::AppState;

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(documents::create_document, documents::list_documents))
        .routes(routes!(documents::read_document, documents::delete_document))
        .routes(routes!(documents::read_content))
        .routes(routes!(search::search_knowledge))
        .routes(routes!(memories::list_memories, memories::create_memory, memories::delete_memories))
        .routes(routes!(memories::delete_memory))
}
