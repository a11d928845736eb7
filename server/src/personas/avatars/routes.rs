//! The picture of a persona: set and removed by its owner, shown to whoever may see the persona.

use std::sync::Arc;

use axum::{
    Json,
    extract::{FromRef, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use troupe_core::model::Persona;
use troupe_db::personas::avatars;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{picture::MAX_PICTURE_BYTES, put, refused};
use crate::{
    auth::{actor::Actor, caller::Caller},
    http::{
        error::ApiError,
        etag,
        extract::{paging::Params, path::Id, upload::FileUpload},
    },
    personas::{Personas, own::own_persona, settings::is_slug},
};

const NO_PICTURE: ApiError = ApiError::NotFound("picture of this persona");
/// Of a digest, in digits: fewer could be those of another picture.
const MIN_VERSION_DIGITS: usize = 8;

pub(crate) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Personas>: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(read_avatar, put_avatar, delete_avatar))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AvatarParams {
    /// The picture's version, as `avatar_url` has it: then browsers keep it for ever. Without it they ask again.
    #[param(pattern = "^[0-9a-f]{8,64}$")]
    v: Option<String>,
}

/// The picture of a persona
///
/// A square of at most 512 × 512 pixels.
#[utoipa::path(get, path = "/personas/{slug}/avatar", tag = "personas", security(("token" = ["personas:read"])), params(("slug" = String, Path), AvatarParams),
    responses((status = 200, content((Vec<u8> = "image/jpeg"), (Vec<u8> = "image/png"))), (status = 304, description = "as `If-None-Match` has it"),
        (status = 404, description = "no such persona, it has no picture, or another one than `v` names")))]
pub(crate) async fn read_avatar(
    State(personas): State<Arc<Personas>>,
    Caller(user): Caller,
    Id(slug): Id<String>,
    Params(AvatarParams { v }): Params<AvatarParams>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if !is_slug(&slug) {
        return Err(NO_PICTURE);
    }
    let avatar = avatars::find(&personas.pool, user, &slug).await?.ok_or(NO_PICTURE)?;
    let cache_control = match v {
        None => "private, no-cache",
        Some(v) if v.len() >= MIN_VERSION_DIGITS && avatar.digest.starts_with(&v) => {
            "private, max-age=31536000, immutable"
        }
        Some(_) => return Err(NO_PICTURE),
    };
    let tag = format!("\"{}\"", avatar.digest);
    let is_known = etag::is_known(&headers, &tag);
    let common = [(header::ETAG, tag), (header::CACHE_CONTROL, cache_control.to_owned())];
    if is_known {
        return Ok((StatusCode::NOT_MODIFIED, common).into_response());
    }
    Ok(([(header::CONTENT_TYPE, avatar.content_type)], common, avatar.bytes).into_response())
}

/// Give a persona of one's own a picture
///
/// The body is the file: PNG, JPEG or WebP, of at most 5 MiB and 40 megapixels. What it is, is found out by its bytes.
/// It becomes a square from its middle of at most 512 × 512 pixels, JPEG, or PNG where it has transparency; nothing
/// else of the file is kept.
#[utoipa::path(put, path = "/personas/{slug}/avatar", tag = "personas", security(("token" = ["personas:write"])), params(("slug" = String, Path)),
    request_body(content((Vec<u8> = "image/png"), (Vec<u8> = "image/jpeg"), (Vec<u8> = "image/webp"))),
    responses((status = 200, body = Persona), (status = 404, description = "no such persona of yours"), (status = 413, description = "more than 5 MiB"),
        (status = 415, description = "neither PNG, JPEG nor WebP"), (status = 422, description = "`errors` says what is wrong with the file")))]
pub(crate) async fn put_avatar(
    State(personas): State<Arc<Personas>>,
    Caller(owner): Caller,
    Actor(by): Actor,
    Id(slug): Id<String>,
    FileUpload { bytes, .. }: FileUpload,
) -> Result<Json<Persona>, ApiError> {
    own_persona(&personas.pool, owner, &slug).await?;
    if bytes.len() > MAX_PICTURE_BYTES {
        return Err(ApiError::body_too_large(MAX_PICTURE_BYTES));
    }
    let avatar = personas.pictures.avatar(bytes).await?.map_err(|error| refused(&error))?;
    put(&personas.pool, &by, owner, &slug, Some(&avatar)).await.map(Json)
}

/// Take the picture of a persona of one's own away
#[utoipa::path(delete, path = "/personas/{slug}/avatar", tag = "personas", security(("token" = ["personas:write"])), params(("slug" = String, Path)),
    responses((status = 204), (status = 404, description = "no such persona of yours")))]
pub(crate) async fn delete_avatar(
    State(personas): State<Arc<Personas>>,
    Caller(owner): Caller,
    Actor(by): Actor,
    Id(slug): Id<String>,
) -> Result<StatusCode, ApiError> {
    own_persona(&personas.pool, owner, &slug).await?;
    put(&personas.pool, &by, owner, &slug, None).await?;
    Ok(StatusCode::NO_CONTENT)
}
