//! Catalogues of the pages in languages that nobody has written them in, over HTTP.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use troupe_core::jobs::{Payload, TranslateCatalogue};
use troupe_db::{
    jobs::enqueue::{NewJob, is_awaited},
    translations::interface as translations,
};
use utoipa::{IntoParams, ToSchema};

use super::super::{
    Translation,
    catalogues::{Catalogue, REVIEWED},
};
use crate::{
    http::{
        error::ApiError,
        extract::{paging::Params, validation},
    },
    ordered::order,
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CatalogueQuery {
    /// Such as `chat`.
    #[param(example = "chat")]
    name: String,
    /// A tag of BCP 47 of a language in `/translation/languages`, but of none that the pages are written in.
    #[param(example = "hi")]
    language: String,
}

/// A catalogue, as far as it is translated.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TranslatedCatalogue {
    #[schema(example = "hi")]
    language: &'static str,
    /// `ltr` or `rtl`.
    #[schema(example = "ltr")]
    direction: &'static str,
    /// Nested as the English one; what is not translated is not there.
    texts: Value,
    /// How many of its texts are translated.
    translated: usize,
    total: usize,
    /// Whether more may come: ask again in a moment.
    pending: bool,
}

/// A catalogue of the pages' texts, translated by machine
///
/// The first call for a language begins its translation; what has been translated is kept for everybody.
#[utoipa::path(get, path = "/translation/catalogue", tag = "translation", security(("token" = ["personas:read"])),
    params(CatalogueQuery),
    responses((status = 200, body = TranslatedCatalogue), (status = 404, description = "no such catalogue")))]
pub(crate) async fn read_catalogue(
    State(translation): State<Arc<Translation>>,
    Params(CatalogueQuery { name, language }): Params<CatalogueQuery>,
) -> Result<Json<TranslatedCatalogue>, ApiError> {
    let language = validation::language("language", &language)?;
    if REVIEWED.contains(&language.code) {
        return Err(ApiError::field("language", "has catalogues that persons have written, among the pages' assets"));
    }
    let catalogue = Catalogue::find(&name).ok_or(ApiError::NotFound("catalogue"))?;
    let wanted = TranslateCatalogue { catalogue: name, language: language.code.to_owned(), texts: catalogue.texts() };
    let texts: Vec<_> = wanted.texts().collect();
    // Asked first: what is stored between both questions is found by the second.
    let is_awaited = is_awaited(&translation.pool, &wanted).await?;
    let found = translations::find_all(&translation.pool, language.code, &texts).await?;
    let is_whole = texts.iter().all(|text| found.contains_key(&text.key));
    Ok(Json(TranslatedCatalogue {
        language: language.code,
        direction: language.direction().name(),
        texts: catalogue.translated(&|key| found.get(key)),
        translated: found.len(),
        total: texts.len(),
        pending: !is_whole && (is_awaited || order_rest(&translation, &wanted).await?),
    }))
}

/// Orders what is missing, if anybody can translate it. It is not ordered again for a while: what a translator could
/// not do stays in English until then.
async fn order_rest(translation: &Translation, wanted: &TranslateCatalogue) -> Result<bool, ApiError> {
    let config = translation.configuration.now();
    let key = wanted.key().unwrap_or_default();
    if !config.translates() || translation.was_tried(&key, config.translation.retry_pause) {
        return Ok(false);
    }
    translation.note_try(key);
    Ok(order(&translation.pool, &NewJob::new(wanted), wanted).await?)
}
