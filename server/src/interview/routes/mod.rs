//! The interview: questions, answers, progress, import and export, and training data.

pub(crate) mod import_export;
mod progress;
mod questions;
mod responses;
mod training;

use axum::extract::FromRef;
use std::sync::Arc;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::interview::Interview;

const TAG: &str = "interview";

pub(crate) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Interview>: FromRef<S>,
{
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
