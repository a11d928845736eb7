//! OpenAI's API over HTTP.

mod audio;
mod chat_completions;
mod conversations;
mod embeddings;
mod models;
mod responses;

use std::sync::Arc;

use axum::extract::FromRef;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::OpenAi;
use crate::speech::Speech;

/// In the description of the API.
const TAG: &str = "openai";

pub(crate) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<OpenAi>: FromRef<S>,
    Arc<Speech>: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(models::list_models))
        .routes(routes!(models::read_model))
        .routes(routes!(chat_completions::create_chat_completion))
        .routes(routes!(embeddings::create_embedding))
        .routes(routes!(audio::create_speech))
        .routes(routes!(audio::list_audio_voices))
        .routes(routes!(conversations::make_conversation))
        .routes(routes!(
            conversations::show_conversation,
            conversations::note_metadata,
            conversations::drop_conversation
        ))
        .routes(routes!(conversations::list_items))
        .routes(routes!(responses::make_response))
        .routes(routes!(responses::show_response, responses::drop_response))
        .routes(routes!(responses::stop_response))
        .routes(routes!(responses::list_input_items))
}
