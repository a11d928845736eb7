//! Personas: the public ones, and one's own to make and change.

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use sqlx::PgConnection;
use troupe_shared::{
    db::{
        personas::{self, NewPersona, PersonaChange},
        violated_constraint,
    },
    ids::{PersonaId, UserId},
    model::{Persona, Visibility},
};
use utoipa::ToSchema;

use crate::{
    error::ApiError,
    extract::{
        auth::Caller,
        body::Body,
        checks::Checks,
        idempotency::Keyed,
        paging::{Listed, Paging, Params},
        path::Id,
    },
    state::AppState,
    usecase::once::{Created, once},
};

const MISSING: ApiError = ApiError::NotFound("persona");

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreatePersona {
    /// Lower-case letters, digits and hyphens; part of its address.
    #[schema(example = "grandmother", pattern = "^[a-z0-9][a-z0-9-]{1,62}$")]
    slug: String,
    #[schema(example = "Grandmother", min_length = 1, max_length = 100)]
    name: String,
    #[serde(default)]
    #[schema(max_length = 1000)]
    description: String,
    /// Who it is and how it speaks, as a model is told.
    #[schema(min_length = 1, max_length = 32768)]
    system_prompt: String,
    #[serde(default = "default_temperature")]
    #[schema(minimum = 0, maximum = 2)]
    temperature: f32,
    /// The model that speaks for it; the server's default unless told.
    model: Option<String>,
    #[serde(default = "default_languages")]
    languages: Vec<String>,
    #[serde(default = "default_visibility")]
    visibility: Visibility,
}

fn default_temperature() -> f32 {
    0.7
}

fn default_languages() -> Vec<String> {
    vec!["en".to_owned()]
}

fn default_visibility() -> Visibility {
    Visibility::Private
}

/// What changes; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangePersona {
    name: Option<String>,
    description: Option<String>,
    system_prompt: Option<String>,
    temperature: Option<f32>,
    model: Option<String>,
    languages: Option<Vec<String>>,
    visibility: Option<Visibility>,
}

/// The rules that new and changed personas share.
fn check(checks: &mut Checks, change: &PersonaChange<'_>) -> Result<(), ApiError> {
    if let Some(name) = change.name {
        checks.text("name", name, 1..=100);
    }
    if let Some(description) = change.description {
        checks.text("description", description, 0..=1_000);
    }
    if let Some(prompt) = change.system_prompt {
        checks.text("system_prompt", prompt, 1..=32_768);
    }
    if let Some(temperature) = change.temperature {
        checks.rule((0.0..=2.0).contains(&temperature), "temperature", "must be from 0 to 2");
    }
    if let Some(model) = change.model {
        checks.text("model", model, 1..=200);
    }
    if let Some(languages) = change.languages {
        let sound =
            |tag: &String| (2..=35).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        checks.rule(
            (1..=20).contains(&languages.len()) && languages.iter().all(sound),
            "languages",
            "must be 1 to 20 language tags such as en or pt-BR",
        );
    }
    checks.done()
}

fn is_slug(slug: &str) -> bool {
    (2..=63).contains(&slug.len())
        && !slug.starts_with('-')
        && slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Make a persona
#[utoipa::path(post, path = "/personas", tag = "personas", request_body = CreatePersona,
    responses((status = 201, body = Persona), (status = 409, description = "the slug is taken")))]
pub(crate) async fn create_persona(
    State(state): State<AppState>,
    Caller(owner): Caller,
    Keyed { body: new, key }: Keyed<CreatePersona>,
) -> Result<Created<Persona>, ApiError> {
    let mut checks = Checks::default();
    checks.rule(
        is_slug(&new.slug),
        "slug",
        "must be 2 to 63 lower-case letters, digits and hyphens, and not begin with one",
    );
    let all = PersonaChange {
        name: Some(&new.name),
        description: Some(&new.description),
        system_prompt: Some(&new.system_prompt),
        temperature: Some(new.temperature),
        model: new.model.as_deref(),
        languages: Some(&new.languages),
        visibility: Some(new.visibility),
    };
    check(&mut checks, &all)?;
    once(&state, owner, key, |db| Box::pin(create(db, owner, new))).await
}

async fn create(db: &mut PgConnection, owner: UserId, new: CreatePersona) -> Result<Persona, ApiError> {
    let persona = NewPersona {
        id: PersonaId::new(),
        owner,
        slug: &new.slug,
        name: &new.name,
        description: &new.description,
        system_prompt: &new.system_prompt,
        temperature: new.temperature,
        model: new.model.as_deref(),
        languages: &new.languages,
        visibility: new.visibility,
    };
    personas::create(db, &persona).await.map_err(|error| match violated_constraint(&error) {
        Some("personas_slug_key") => {
            ApiError::Conflict { code: "slug_taken", detail: format!("there is a persona '{}' already", new.slug) }
        }
        _ => error.into(),
    })
}

/// The personas to talk with: public ones and one's own, the newest first
#[utoipa::path(get, path = "/personas", tag = "personas", params(Paging), responses((status = 200, body = Listed<Persona>)))]
pub(crate) async fn list_personas(
    State(state): State<AppState>,
    Caller(user): Caller,
    Params(paging): Params<Paging>,
) -> Result<Json<Listed<Persona>>, ApiError> {
    let page = paging.page()?;
    let items = personas::list(&state.pool, user, page).await?;
    Ok(Json(Listed::new(items, page.limit, |persona| persona.id)))
}

/// One persona
#[utoipa::path(get, path = "/personas/{slug}", tag = "personas", params(("slug" = String, Path)),
    responses((status = 200, body = Persona), (status = 404, description = "no such persona")))]
pub(crate) async fn read_persona(
    State(state): State<AppState>,
    Caller(user): Caller,
    Id(slug): Id<String>,
) -> Result<Json<Persona>, ApiError> {
    if !is_slug(&slug) {
        return Err(MISSING);
    }
    personas::find(&state.pool, user, &slug).await?.map(Json).ok_or(MISSING)
}

/// Change a persona of one's own
#[utoipa::path(patch, path = "/personas/{slug}", tag = "personas", params(("slug" = String, Path)),
    request_body = ChangePersona,
    responses((status = 200, body = Persona), (status = 404, description = "no such persona of yours")))]
pub(crate) async fn change_persona(
    State(state): State<AppState>,
    Caller(owner): Caller,
    Id(slug): Id<String>,
    Body(change): Body<ChangePersona>,
) -> Result<Json<Persona>, ApiError> {
    if !is_slug(&slug) {
        return Err(MISSING);
    }
    let change = PersonaChange {
        name: change.name.as_deref(),
        description: change.description.as_deref(),
        system_prompt: change.system_prompt.as_deref(),
        temperature: change.temperature,
        model: change.model.as_deref(),
        languages: change.languages.as_deref(),
        visibility: change.visibility,
    };
    check(&mut Checks::default(), &change)?;
    personas::update(&state.pool, owner, &slug, &change).await?.map(Json).ok_or(MISSING)
}

/// Delete a persona of one's own, with all its conversations
#[utoipa::path(delete, path = "/personas/{slug}", tag = "personas", params(("slug" = String, Path)),
    responses((status = 204), (status = 404, description = "no such persona of yours")))]
pub(crate) async fn delete_persona(
    State(state): State<AppState>,
    Caller(owner): Caller,
    Id(slug): Id<String>,
) -> Result<StatusCode, ApiError> {
    let deleted = is_slug(&slug) && personas::delete(&state.pool, owner, &slug).await?;
    if deleted { Ok(StatusCode::NO_CONTENT) } else { Err(MISSING) }
}
