//! Languages, and texts in them, over HTTP.

mod catalogues;
mod messages;
mod placeholder;

use std::sync::Arc;

use axum::{
    Json,
    extract::{FromRef, State},
};
use serde::Serialize;
use troupe_core::languages::{self, Language};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Translation;

pub(crate) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Translation>: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(list_languages))
        .routes(routes!(placeholder::read_placeholder))
        .routes(routes!(catalogues::read_catalogue))
        .routes(routes!(messages::list_translations, messages::translate_message))
}

/// At the root, where embedded chats ask for it.
pub(crate) fn root_router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Translation>: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(placeholder::read_placeholder_at_root))
}

/// The languages that there are.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Languages {
    items: Vec<LanguageView>,
    /// Whether messages can be translated here.
    translates: bool,
}

#[derive(Debug, Serialize, ToSchema)]
struct LanguageView {
    /// A tag of BCP 47.
    #[schema(example = "uk")]
    code: &'static str,
    /// In English.
    #[schema(example = "Ukrainian")]
    name: &'static str,
    /// In the language itself.
    #[schema(example = "Українська")]
    own_name: &'static str,
    /// ISO 15924.
    #[schema(example = "Cyrl")]
    script: &'static str,
    /// `ltr` or `rtl`.
    #[schema(example = "ltr")]
    direction: &'static str,
}

/// The languages that texts can be in
#[utoipa::path(get, path = "/translation/languages", tag = "translation", security(("token" = ["personas:read"])),
    responses((status = 200, body = Languages)))]
pub(crate) async fn list_languages(State(translation): State<Arc<Translation>>) -> Json<Languages> {
    let view = |language: &Language| LanguageView {
        code: language.code,
        name: language.name,
        own_name: language.own_name,
        script: language.script,
        direction: language.direction().name(),
    };
    let items = languages::ALL.iter().map(view).collect();
    Json(Languages { items, translates: translation.configuration.now().translates() })
}
