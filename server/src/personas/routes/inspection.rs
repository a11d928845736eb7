//! Inspection of prompts.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Deserialize;
use troupe_core::ids::ConversationId;
use troupe_db::personas::inspection::InspectedPrompt;
use utoipa::ToSchema;

use crate::{
    auth::caller::Caller,
    http::{
        error::ApiError,
        extract::{body::Body, path::Id, validation::Checks},
    },
    personas::{Personas, inspect::inspect},
};

/// As long as a prompt may be.
const MAX_QUESTION_CHARACTERS: usize = 32_768;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InspectPersona {
    #[schema(example = "Where did you grow up?", min_length = 1, max_length = 32768)]
    question: String,
    /// A conversation of yours with the persona, which the question would continue.
    conversation_id: Option<ConversationId>,
}

/// What a model would be told for a question
///
/// A worker makes the prompt as it does for a reply, for a persona of one's own: memories, passages and lore are looked
/// up, no model is asked, and nothing is kept.
#[utoipa::path(post, path = "/personas/{slug}/inspect", tag = "personas", security(("token" = ["personas:write"])), params(("slug" = String, Path)),
    request_body = InspectPersona, responses((status = 200, body = InspectedPrompt),
        (status = 404, description = "no such persona of yours, or no such conversation of yours with it"),
        (status = 503, description = "no worker made it in time")))]
pub(crate) async fn inspect_persona(
    State(personas): State<Arc<Personas>>,
    Caller(owner): Caller,
    Id(slug): Id<String>,
    Body(InspectPersona { question, conversation_id }): Body<InspectPersona>,
) -> Result<Json<InspectedPrompt>, ApiError> {
    Checks::default().text("question", &question, 1..=MAX_QUESTION_CHARACTERS).done()?;
    inspect(&personas, owner, &slug, question, conversation_id).await.map(Json)
}
