//! Cards and lorebooks: files that come and go.

use std::sync::Arc;

use axum::{
    Json,
    extract::{FromRef, State},
    http::{StatusCode, header},
    response::IntoResponse,
};
use serde::Deserialize;
use troupe_characters::{Lorebook, Version, read};
use troupe_db::personas::{self, characters};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    export::Exported,
    import::{Candidate, ImportedPersona},
    lorebook::{self, LorebookReport},
    off_the_path,
};
use crate::{
    auth::{actor::Actor, caller::Caller},
    http::{
        error::ApiError,
        extract::{paging::Params, path::Id, upload::FileUpload, validation::Checks},
        idempotent::{Created, create_idempotent},
    },
    personas::{
        Personas,
        own::{NO_PERSONA, own_persona},
        settings::is_slug,
    },
};

const NO_LOREBOOK: ApiError = ApiError::NotFound("lorebook of this persona");

pub(crate) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Personas>: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(import_persona)).routes(routes!(export_card)).routes(routes!(
        read_lorebook,
        put_lorebook,
        delete_lorebook
    ))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ImportParams {
    /// The persona's slug; by default one of its name.
    #[param(pattern = "^[a-z0-9][a-z0-9-]{1,62}$")]
    slug: Option<String>,
}

/// Make a persona of a character card
///
/// The body is the file itself: a card of version 1, 2 or 3 as JSON, PNG or APNG, or CHARX. What it is, is found out by
/// its bytes. The persona is private, and has the picture of the card; one that cannot be read is told in the report.
/// Macros such as `{{user}}` stay, and are replaced when a prompt is made; a card
/// that is exported again has every field that it came with.
#[utoipa::path(post, path = "/personas/import", tag = "personas", security(("token" = ["personas:write"])), params(ImportParams),
    request_body(content((serde_json::Value = "application/json"), (Vec<u8> = "image/png"), (Vec<u8> = "application/zip"))),
    responses((status = 201, body = ImportedPersona), (status = 409, description = "the slug is taken"),
        (status = 415, description = "neither JSON, PNG nor CHARX"), (status = 422, description = "`errors` says what is wrong with the file")))]
pub(crate) async fn import_persona(
    State(personas): State<Arc<Personas>>,
    Caller(owner): Caller,
    Actor(by): Actor,
    Params(ImportParams { slug }): Params<ImportParams>,
    FileUpload { bytes, key }: FileUpload,
) -> Result<Created<ImportedPersona>, ApiError> {
    let is_fine = slug.as_deref().is_none_or(is_slug);
    let rule = "must be 2 to 63 lower-case letters, digits and hyphens, and not begin with one";
    Checks::default().rule(is_fine, "slug", rule).done()?;
    let (imported, lorebook) = off_the_path(move || {
        let imported = read(&bytes)?;
        let lorebook = imported.card.sheet.lorebook.as_deref().map(Lorebook::parse).transpose()?;
        Ok((imported, lorebook))
    })
    .await?;
    let picture = match &imported.picture {
        Ok(Some(picture)) => {
            let read = personas.pictures.avatar(picture.clone().into()).await?;
            read.map(Some).map_err(|fault| format!("the picture {fault}"))
        }
        Ok(None) => Ok(None),
        Err(fault) => Err(format!("the file {fault}")),
    };
    let candidate = Candidate::examine(imported, picture, lorebook.as_ref(), slug)?;
    create_idempotent(&personas.pool, owner, key, |db| Box::pin(async move { candidate.store(db, &by, owner).await }))
        .await
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum CardVersion {
    V2,
    V3,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum CardFile {
    Json,
    Png,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportParams {
    /// The version; `v3` by default.
    #[serde(default = "v3")]
    #[param(inline)]
    format: CardVersion,
    /// The kind of file; `json` by default. A PNG is the persona's picture, as large as it came in a card, or a plain
    /// one.
    #[serde(default = "json_file", rename = "as")]
    #[param(inline)]
    file: CardFile,
}

fn v3() -> CardVersion {
    CardVersion::V3
}

fn json_file() -> CardFile {
    CardFile::Json
}

/// A persona of one's own as a character card
///
/// One that was imported has every field that it came with, and of those that were changed since the new value.
#[utoipa::path(get, path = "/personas/{slug}/card", tag = "personas", security(("token" = ["personas:read"])), params(("slug" = String, Path), ExportParams),
    responses((status = 200, content((serde_json::Value = "application/json"), (Vec<u8> = "image/png"))), (status = 404, description = "no such persona of yours")))]
pub(crate) async fn export_card(
    State(personas): State<Arc<Personas>>,
    Caller(owner): Caller,
    Id(slug): Id<String>,
    Params(ExportParams { format, file }): Params<ExportParams>,
) -> Result<impl IntoResponse, ApiError> {
    if !is_slug(&slug) {
        return Err(NO_PERSONA);
    }
    let persona = personas::find(&personas.pool, owner, &slug).await?.filter(|persona| persona.owned);
    let exported = Exported::load(&personas.pool, persona.ok_or(NO_PERSONA)?).await?;
    let version = match format {
        CardVersion::V2 => Version::V2,
        CardVersion::V3 => Version::V3,
    };
    let (content, content_type, extension) = match file {
        CardFile::Json => (exported.json(version).into_bytes(), "application/json", "json"),
        CardFile::Png => (exported.png(&personas.pool, version).await?, "image/png", "png"),
    };
    let headers = [
        (header::CONTENT_TYPE, content_type.to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{slug}.{extension}\"")),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    Ok((headers, content))
}

/// The lorebook of a persona of one's own, as a file of version 3
#[utoipa::path(get, path = "/personas/{slug}/lorebook", tag = "personas", security(("token" = ["personas:read"])), params(("slug" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 404, description = "no such persona of yours, or it has none")))]
pub(crate) async fn read_lorebook(
    State(personas): State<Arc<Personas>>,
    Caller(owner): Caller,
    Id(slug): Id<String>,
) -> Result<impl IntoResponse, ApiError> {
    let persona = own_persona(&personas.pool, owner, &slug).await?;
    let book = characters::lorebook(&personas.pool, persona).await?.ok_or(NO_LOREBOOK)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], Lorebook::standalone(&book)))
}

/// Give a persona of one's own a lorebook
///
/// The body is the file: a lorebook of version 3, world info of SillyTavern, or a card that has one. It takes the place
/// of the one that there is.
#[utoipa::path(put, path = "/personas/{slug}/lorebook", tag = "personas", security(("token" = ["personas:write"])), params(("slug" = String, Path)),
    request_body(content((serde_json::Value = "application/json"), (Vec<u8> = "image/png"), (Vec<u8> = "application/zip"))),
    responses((status = 200, body = LorebookReport), (status = 404, description = "no such persona of yours"),
        (status = 415, description = "neither JSON, PNG nor CHARX"), (status = 422, description = "`errors` says what is wrong with the file")))]
pub(crate) async fn put_lorebook(
    State(personas): State<Arc<Personas>>,
    Caller(owner): Caller,
    Actor(by): Actor,
    Id(slug): Id<String>,
    FileUpload { bytes, .. }: FileUpload,
) -> Result<Json<LorebookReport>, ApiError> {
    own_persona(&personas.pool, owner, &slug).await?;
    let book = off_the_path(move || Lorebook::read(&bytes)).await?;
    lorebook::put(&personas.pool, &by, owner, &slug, Some(&book)).await?;
    Ok(Json(LorebookReport::from(&book)))
}

/// Take the lorebook of a persona of one's own away
#[utoipa::path(delete, path = "/personas/{slug}/lorebook", tag = "personas", security(("token" = ["personas:write"])), params(("slug" = String, Path)),
    responses((status = 204), (status = 404, description = "no such persona of yours")))]
pub(crate) async fn delete_lorebook(
    State(personas): State<Arc<Personas>>,
    Caller(owner): Caller,
    Actor(by): Actor,
    Id(slug): Id<String>,
) -> Result<StatusCode, ApiError> {
    own_persona(&personas.pool, owner, &slug).await?;
    lorebook::put(&personas.pool, &by, owner, &slug, None).await?;
    Ok(StatusCode::NO_CONTENT)
}
