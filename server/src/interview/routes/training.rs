//! Training data of a persona, for its owner.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use troupe_core::model::audit::On;
use troupe_db::personas;
use utoipa::IntoParams;

use super::TAG;
use crate::{
    audit::note,
    auth::{actor::Actor, caller::Caller},
    http::{
        error::ApiError,
        extract::{paging::Params, path::Id},
    },
    interview::{
        Interview,
        training::{Chat, Part, Training, chats},
    },
    personas::{own::NO_PERSONA, settings::is_slug},
};

/// The maximum share of validation.
const MAX_VALIDATION_SHARE: f64 = 0.5;

/// A selection of chats.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WhichChats {
    /// Both by default. An item is always in the same part.
    #[param(inline)]
    part: Option<Part>,
    /// The share of validation.
    #[serde(default = "tenth")]
    #[param(minimum = 0, maximum = 0.5, default = 0.1)]
    validation: f64,
}

fn tenth() -> f64 {
    0.1
}

/// Export training data, as chats
///
/// JSON Lines: every final answer with its question, then every complete reply that you rated up, or that others did
/// who agreed to share it (`share`). Secrets, e-mail addresses and card numbers are masked.
#[utoipa::path(get, path = "/personas/{slug}/training.jsonl", tag = TAG, security(("token" = ["personas:read"])), params(("slug" = String, Path), WhichChats),
    responses((status = 200, content((Chat = "application/jsonl")), description = "a chat a line")))]
pub(crate) async fn export_training(
    State(interview): State<Arc<Interview>>,
    Caller(owner): Caller,
    Actor(by): Actor,
    Id(slug): Id<String>,
    Params(WhichChats { part, validation }): Params<WhichChats>,
) -> Result<Response, ApiError> {
    if !(0.0..=MAX_VALIDATION_SHARE).contains(&validation) {
        return Err(ApiError::field("validation", format!("must be from 0 to {MAX_VALIDATION_SHARE}")));
    }
    if !is_slug(&slug) {
        return Err(NO_PERSONA);
    }
    let persona =
        personas::find(&interview.pool, owner, &slug).await?.filter(|persona| persona.owned).ok_or(NO_PERSONA)?;
    note(&interview.pool, &by.does("training.exported").on(On::thing("persona", persona.id).of(owner))).await?;
    let system_prompt = persona.system_prompt.unwrap_or_default();
    let disposition = format!("attachment; filename=\"{slug}-{}.jsonl\"", part.map_or("training", Part::name));
    let headers = [
        (header::CONTENT_TYPE, "application/jsonl".to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    let training = Training { persona: persona.id, owner, system_prompt, part, validation };
    Ok((headers, Body::from_stream(chats(interview.pool.clone(), training))).into_response())
}
