//! Models: the personas that the caller may talk with.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use troupe_core::model::Persona;
use troupe_db::{Page, personas};
use utoipa::ToSchema;

use crate::{
    auth::caller::Caller,
    http::{error::ApiError, extract::path::Id},
    openai::OpenAi,
};

/// The protocol knows no pages.
const MAX_MODELS: i64 = 1_000;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Models {
    #[schema(example = "list")]
    object: &'static str,
    data: Vec<Model>,
}

/// A persona as a model.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Model {
    /// The persona's slug.
    #[schema(example = "demo")]
    id: String,
    #[schema(example = "model")]
    object: &'static str,
    /// In seconds since 1970.
    #[schema(example = 1_764_316_800)]
    created: i64,
    /// `you`, or `troupe` for those of others.
    #[schema(example = "troupe")]
    owned_by: &'static str,
    /// The persona's name.
    #[schema(example = "Ada Lovelace")]
    name: String,
    description: String,
}

impl From<Persona> for Model {
    fn from(persona: Persona) -> Self {
        Self {
            id: persona.slug,
            object: "model",
            created: persona.created_at.timestamp(),
            owned_by: if persona.owned { "you" } else { "troupe" },
            name: persona.name,
            description: persona.description,
        }
    }
}

/// The models: one's own personas and the public ones, the newest first
#[utoipa::path(get, path = "/v1/models", tag = super::TAG, security(("token" = ["personas:read"])), responses((status = 200, body = Models)))]
pub(crate) async fn list_models(
    State(openai): State<Arc<OpenAi>>,
    Caller(user): Caller,
) -> Result<Json<Models>, ApiError> {
    let page = Page { after: None, limit: MAX_MODELS };
    let personas = personas::list(&openai.pool, user, page).await?;
    // One's own may be hidden by an admin.
    let data = personas.into_iter().filter(|persona| persona.hidden_at.is_none()).map(Model::from).collect();
    Ok(Json(Models { object: "list", data }))
}

/// A model
#[utoipa::path(get, path = "/v1/models/{slug}", tag = super::TAG, security(("token" = ["personas:read"])), params(("slug" = String, Path)),
    responses((status = 200, body = Model), (status = 404, description = "no persona that you may talk with")))]
pub(crate) async fn read_model(
    State(openai): State<Arc<OpenAi>>,
    Caller(user): Caller,
    Id(slug): Id<String>,
) -> Result<Json<Model>, ApiError> {
    let persona = personas::find(&openai.pool, user, &slug).await?;
    let persona = persona.filter(|persona| persona.hidden_at.is_none()).ok_or(ApiError::NotFound("model"))?;
    Ok(Json(persona.into()))
}
