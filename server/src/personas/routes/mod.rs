//! Personas: the public ones, and one's own.

mod inspection;
mod versions;

use std::sync::Arc;

use axum::{
    Json,
    extract::{FromRef, State},
    http::StatusCode,
};
use serde::Deserialize;
use sqlx::PgConnection;
use troupe_core::{
    ids::{PersonaId, UserId},
    model::{
        Change, Persona, Visibility,
        audit::By,
        providers::{OverBudget, WhenCut},
    },
};
use troupe_db::personas::{self, Character, NewPersona, PersonaChange};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    auth::actor::Actor,
    auth::caller::Caller,
    http::{
        error::ApiError,
        extract::{
            body::Body,
            idempotency::Keyed,
            paging::{Listed, Paging, Params},
            path::Id,
            validation::Checks,
        },
        idempotent::{Created, create_idempotent},
    },
    personas::{
        Personas, avatars,
        chains::{check_voice, checked_chain},
        change, characters, create,
        settings::{check_settings, is_slug},
    },
};

pub(crate) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Personas>: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(create_persona, list_personas))
        .routes(routes!(read_persona, change_persona, delete_persona))
        .routes(routes!(inspection::inspect_persona))
        .routes(routes!(versions::list_persona_versions))
        .routes(routes!(versions::restore_persona_version))
        .merge(characters::routes::router())
        .merge(avatars::routes::router())
}

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
    /// Who it is and how it speaks: the system prompt.
    #[schema(min_length = 1, max_length = 32768)]
    system_prompt: String,
    #[serde(default = "default_temperature")]
    #[schema(minimum = 0, maximum = 2)]
    temperature: f32,
    /// The model of those links of the chain that name none and belong to the chain's first provider; the provider's
    /// own by default.
    model: Option<String>,
    /// The providers of its replies, tried in this order: links such as `openai`, `openai/gpt-4.1-mini` or
    /// `openai#spare/gpt-4.1-mini`. By default the tier's chain, or the server's.
    #[schema(max_items = 10)]
    chain: Option<Vec<String>>,
    /// What happens to a reply whose provider fails after part of it was shown.
    #[serde(default)]
    when_cut: WhenCut,
    /// What happens to a message when the budget for its reply is exhausted.
    #[serde(default)]
    over_budget: OverBudget,
    /// Whether a reply may be repeated for the same question in the same circumstances; across users only if the
    /// persona is public.
    #[serde(default)]
    cache_replies: bool,
    /// Whether it keeps memories of its users, each user's for that user alone.
    #[serde(default)]
    remembers: bool,
    #[serde(default = "default_languages")]
    languages: Vec<String>,
    #[serde(default = "default_visibility")]
    visibility: Visibility,
    /// What a conversation begins with: the first is shown, the others are alternatives.
    #[serde(default)]
    #[schema(max_items = 100)]
    greetings: Vec<String>,
    /// How it speaks: conversations, each begun by a line `<START>`. In the prompt as far as there is room.
    #[serde(default)]
    #[schema(max_length = 32768)]
    example_dialogue: String,
    /// Instructions after the conversation.
    #[serde(default)]
    #[schema(max_length = 32768)]
    post_history: String,
    /// For those who talk with it; in no prompt.
    #[serde(default)]
    #[schema(max_length = 32768)]
    creator_notes: String,
    #[serde(default)]
    #[schema(max_items = 200)]
    tags: Vec<String>,
    /// What `{{char}}` stands for; the name by default.
    #[schema(min_length = 1, max_length = 100)]
    nickname: Option<String>,
    /// The voice that speaks its replies, one of those of `/voices`; the default voice otherwise.
    voice: Option<String>,
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

/// A change; omitted fields stay. Where null is allowed, it restores the default.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangePersona {
    name: Option<String>,
    description: Option<String>,
    system_prompt: Option<String>,
    temperature: Option<f32>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    model: Change<String>,
    /// An empty list restores the default, too.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 10)]
    chain: Change<Vec<String>>,
    when_cut: Option<WhenCut>,
    over_budget: Option<OverBudget>,
    cache_replies: Option<bool>,
    remembers: Option<bool>,
    languages: Option<Vec<String>>,
    visibility: Option<Visibility>,
    greetings: Option<Vec<String>>,
    example_dialogue: Option<String>,
    post_history: Option<String>,
    creator_notes: Option<String>,
    tags: Option<Vec<String>>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    nickname: Change<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    voice: Change<String>,
}

impl ChangePersona {
    fn as_change(&self) -> PersonaChange<'_> {
        PersonaChange {
            name: self.name.as_deref(),
            description: self.description.as_deref(),
            system_prompt: self.system_prompt.as_deref(),
            temperature: self.temperature,
            model: self.model.as_deref(),
            chain: self.chain.as_deref(),
            when_cut: self.when_cut,
            over_budget: self.over_budget,
            cache_replies: self.cache_replies,
            remembers: self.remembers,
            languages: self.languages.as_deref(),
            visibility: self.visibility,
            greetings: self.greetings.as_deref(),
            example_dialogue: self.example_dialogue.as_deref(),
            post_history: self.post_history.as_deref(),
            creator_notes: self.creator_notes.as_deref(),
            tags: self.tags.as_deref(),
            nickname: self.nickname.as_deref(),
            voice: self.voice.as_deref(),
        }
    }
}

/// Make a persona
#[utoipa::path(post, path = "/personas", tag = "personas", security(("token" = ["personas:write"])), request_body = CreatePersona,
    responses((status = 201, body = Persona), (status = 409, description = "the slug is taken")))]
pub(crate) async fn create_persona(
    State(personas): State<Arc<Personas>>,
    Caller(owner): Caller,
    Actor(by): Actor,
    Keyed { body: mut new, key }: Keyed<CreatePersona>,
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
        model: new.model.as_deref().into(),
        languages: Some(&new.languages),
        greetings: Some(&new.greetings),
        example_dialogue: Some(&new.example_dialogue),
        post_history: Some(&new.post_history),
        creator_notes: Some(&new.creator_notes),
        tags: Some(&new.tags),
        nickname: new.nickname.as_deref().into(),
        voice: new.voice.as_deref().into(),
        ..PersonaChange::default()
    };
    check_settings(&mut checks, &all);
    let config = personas.configuration.now();
    new.chain = checked_chain(&mut checks, &config.providers, new.chain.take().into()).value();
    check_voice(&mut checks, &config, new.voice.as_deref());
    checks.done()?;
    create_idempotent(&personas.pool, owner, key, |db| Box::pin(create(db, by, owner, new))).await
}

async fn create(db: &mut PgConnection, by: By, owner: UserId, new: CreatePersona) -> Result<Persona, ApiError> {
    let persona = NewPersona {
        id: PersonaId::new(),
        owner,
        slug: &new.slug,
        name: &new.name,
        description: &new.description,
        system_prompt: &new.system_prompt,
        temperature: new.temperature,
        model: new.model.as_deref(),
        chain: new.chain.as_deref(),
        when_cut: new.when_cut,
        over_budget: new.over_budget,
        cache_replies: new.cache_replies,
        remembers: new.remembers,
        languages: &new.languages,
        visibility: new.visibility,
        character: Character {
            greetings: &new.greetings,
            example_dialogue: &new.example_dialogue,
            post_history: &new.post_history,
            creator_notes: &new.creator_notes,
            tags: &new.tags,
            nickname: new.nickname.as_deref(),
            voice: new.voice.as_deref(),
        },
        from_card: false,
    };
    create::create(db, &by, &persona).await
}

/// The personas to talk with: public ones and one's own, the newest first
#[utoipa::path(get, path = "/personas", tag = "personas", security(("token" = ["personas:read"])), params(Paging), responses((status = 200, body = Listed<Persona>)))]
pub(crate) async fn list_personas(
    State(personas): State<Arc<Personas>>,
    Caller(user): Caller,
    Params(paging): Params<Paging>,
) -> Result<Json<Listed<Persona>>, ApiError> {
    let page = paging.page()?;
    let items = personas::list(&personas.pool, user, page).await?;
    Ok(Json(Listed::new(items, page.limit, |persona| persona.id)))
}

/// One persona
#[utoipa::path(get, path = "/personas/{slug}", tag = "personas", security(("token" = ["personas:read"])), params(("slug" = String, Path)),
    responses((status = 200, body = Persona), (status = 404, description = "no such persona")))]
pub(crate) async fn read_persona(
    State(personas): State<Arc<Personas>>,
    Caller(user): Caller,
    Id(slug): Id<String>,
) -> Result<Json<Persona>, ApiError> {
    if !is_slug(&slug) {
        return Err(MISSING);
    }
    personas::find(&personas.pool, user, &slug).await?.map(Json).ok_or(MISSING)
}

/// Change a persona of one's own
#[utoipa::path(patch, path = "/personas/{slug}", tag = "personas", security(("token" = ["personas:write"])), params(("slug" = String, Path)),
    request_body = ChangePersona,
    responses((status = 200, body = Persona), (status = 404, description = "no such persona of yours")))]
pub(crate) async fn change_persona(
    State(personas): State<Arc<Personas>>,
    Caller(owner): Caller,
    Actor(by): Actor,
    Id(slug): Id<String>,
    Body(mut change): Body<ChangePersona>,
) -> Result<Json<Persona>, ApiError> {
    if !is_slug(&slug) {
        return Err(MISSING);
    }
    let mut checks = Checks::default();
    check_settings(&mut checks, &change.as_change());
    let config = personas.configuration.now();
    change.chain = checked_chain(&mut checks, &config.providers, change.chain);
    if let Change::Set(voice) = &change.voice {
        check_voice(&mut checks, &config, Some(voice));
    }
    checks.done()?;
    change::change(&personas.pool, &by, owner, &slug, &change.as_change()).await?.map(Json).ok_or(MISSING)
}

/// Delete a persona of one's own, with all its conversations
#[utoipa::path(delete, path = "/personas/{slug}", tag = "personas", security(("token" = ["personas:write"])), params(("slug" = String, Path)),
    responses((status = 204), (status = 404, description = "no such persona of yours")))]
pub(crate) async fn delete_persona(
    State(personas): State<Arc<Personas>>,
    Caller(owner): Caller,
    Actor(by): Actor,
    Id(slug): Id<String>,
) -> Result<StatusCode, ApiError> {
    let deleted = is_slug(&slug) && change::delete(&personas.pool, &by, owner, &slug).await?;
    if deleted { Ok(StatusCode::NO_CONTENT) } else { Err(MISSING) }
}
