//! OpenAI's API over HTTP.

mod chat_completions;
mod models;

use std::sync::Arc;

use axum::extract::FromRef;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::OpenAi;

/// In the description of the API.
const TAG: &str = "openai";

pub(crate) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<OpenAi>: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(models::list_models))
        .routes(routes!(models::read_model))
        .routes(routes!(chat_completions::create_chat_completion))
}
