//! The placeholder of the message field, over HTTP.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use troupe_core::{ids::UserId, jobs::TranslateText, languages::Language, transliteration::transliterate};
use troupe_db::personas;
use utoipa::{IntoParams, ToSchema};

use super::super::{Translation, reviewed, texts::translated};
use crate::{
    auth::caller::Caller,
    http::{
        error::ApiError,
        extract::{paging::Params, validation},
    },
    personas::settings::is_slug,
};

const PLACEHOLDER_KEY: &str = "chat.placeholder";
/// The pages' English hint, “Message {name}”, could be a noun or a verb: translators get a sentence.
const PLACEHOLDER_SOURCE: &str = "Write a message to {name}";
const SOURCE_LANGUAGE: &str = "en";

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PlaceholderQuery {
    /// The slug of the persona.
    #[param(example = "grandmother")]
    persona: String,
    /// A tag of BCP 47, such as `uk` or `pt-BR`, of a language in `/translation/languages`.
    #[param(example = "uk")]
    language: String,
}

/// A text, and what it is written in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Placeholder {
    /// Of the text: English where it is not translated.
    #[schema(example = "uk")]
    language: &'static str,
    /// `ltr` or `rtl`.
    #[schema(example = "ltr")]
    direction: &'static str,
    text: String,
    /// Whether it is in the language that was asked for.
    translated: bool,
}

/// The placeholder of the message field, with the persona's name
///
/// Translated where that is possible within a few seconds; otherwise in English, and perhaps translated when it is
/// asked for again. The name is written in the letters of the language where rules say how.
#[utoipa::path(get, path = "/translation/placeholder", tag = "translation", security(("token" = ["personas:read"])), params(PlaceholderQuery),
    responses((status = 200, body = Placeholder), (status = 404, description = "no such persona")))]
pub(crate) async fn read_placeholder(
    State(translation): State<Arc<Translation>>,
    Caller(user): Caller,
    Params(query): Params<PlaceholderQuery>,
) -> Result<Json<Placeholder>, ApiError> {
    placeholder(&translation, user, &query).await.map(Json)
}

/// The same at the root, for chats that are embedded elsewhere
#[utoipa::path(get, path = "/translation/placeholder", tag = "translation", security(("token" = ["personas:read"])), params(PlaceholderQuery),
    responses((status = 200, body = Placeholder), (status = 404, description = "no such persona")))]
pub(crate) async fn read_placeholder_at_root(
    State(translation): State<Arc<Translation>>,
    Caller(user): Caller,
    Params(query): Params<PlaceholderQuery>,
) -> Result<Json<Placeholder>, ApiError> {
    placeholder(&translation, user, &query).await.map(Json)
}

async fn placeholder(
    translation: &Translation,
    user: UserId,
    PlaceholderQuery { persona, language }: &PlaceholderQuery,
) -> Result<Placeholder, ApiError> {
    let language = validation::language("language", language)?;
    if !is_slug(persona) {
        return Err(ApiError::NotFound("persona"));
    }
    let persona = personas::find(&translation.pool, user, persona).await?.ok_or(ApiError::NotFound("persona"))?;
    let text = match reviewed::placeholder(language.code) {
        Some(text) => Some(text.to_owned()),
        None => translated(translation, &wanted(language)).await?,
    };
    let is_translated = text.is_some();
    let written = if is_translated { language } else { validation::language("language", SOURCE_LANGUAGE)? };
    let text = text.unwrap_or_else(|| PLACEHOLDER_SOURCE.to_owned());
    Ok(Placeholder {
        language: written.code,
        direction: written.direction().name(),
        text: text.replace("{name}", &transliterate(&persona.name, written.script)),
        translated: is_translated,
    })
}

/// The name is a variable of the text: no translator gets it, and one translation is for all personas.
fn wanted(language: &Language) -> TranslateText {
    TranslateText {
        key: PLACEHOLDER_KEY.to_owned(),
        source: PLACEHOLDER_SOURCE.to_owned(),
        language: language.code.to_owned(),
        names: Vec::new(),
    }
}
