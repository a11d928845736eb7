//! The interview: questions, what the owner of a persona answered, how far the two have come, and what a model can learn of it.

pub(crate) mod import_export;
mod progress;
mod questions;
mod responses;
mod training;

use troupe_core::ids::{PersonaId, UserId};
use troupe_db::personas;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::answers::NO_PERSONA;
use crate::{http::error::ApiError, personas::settings::is_slug, state::AppState};

const TAG: &str = "interview";

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(questions::list_questions, questions::create_question))
        .routes(routes!(questions::daily_question))
        .routes(routes!(questions::delete_question))
        .routes(routes!(responses::list_responses))
        .routes(routes!(responses::read_response, responses::write_response, responses::delete_response))
        .routes(routes!(responses::restore_response))
        .routes(routes!(import_export::import_responses))
        .routes(routes!(import_export::export_responses))
        .routes(routes!(progress::read_progress))
        .routes(routes!(training::export_training))
}

/// The persona with this slug, if it is the caller's.
pub(crate) async fn own_persona(state: &AppState, owner: UserId, slug: &str) -> Result<PersonaId, ApiError> {
    if !is_slug(slug) {
        return Err(NO_PERSONA);
    }
    personas::find_own(&state.pool, owner, slug).await?.ok_or(NO_PERSONA)
}
