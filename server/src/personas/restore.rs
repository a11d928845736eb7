//! Restores an earlier version of a persona of the caller, as a change like any other.

use serde::Deserialize;
use troupe_core::{
    ids::UserId,
    model::{
        Persona,
        audit::By,
        providers::{OverBudget, WhenCut},
    },
};
use troupe_db::personas::{PersonaChange, versions};

use super::{
    Personas,
    chains::{check_voice, checked_chain},
    change,
    own::{NO_PERSONA, own_persona},
    settings::check_settings,
};
use crate::http::{error::ApiError, extract::validation::Checks};

/// What is restored of a version. Not the visibility: who wants an earlier prompt back publishes nothing by it.
#[derive(Deserialize)]
struct Restored {
    name: String,
    description: String,
    system_prompt: String,
    temperature: f32,
    model: Option<String>,
    chain: Option<Vec<String>>,
    when_cut: WhenCut,
    over_budget: OverBudget,
    cache_replies: bool,
    remembers: bool,
    languages: Vec<String>,
    greetings: Vec<String>,
    example_dialogue: String,
    post_history: String,
    creator_notes: String,
    tags: Vec<String>,
    nickname: Option<String>,
    #[serde(default)]
    voice: Option<String>,
}

impl Restored {
    fn as_change(&self) -> PersonaChange<'_> {
        PersonaChange {
            name: Some(&self.name),
            description: Some(&self.description),
            system_prompt: Some(&self.system_prompt),
            temperature: Some(self.temperature),
            model: self.model.as_deref().into(),
            chain: self.chain.as_deref().into(),
            when_cut: Some(self.when_cut),
            over_budget: Some(self.over_budget),
            cache_replies: Some(self.cache_replies),
            remembers: Some(self.remembers),
            languages: Some(&self.languages),
            greetings: Some(&self.greetings),
            example_dialogue: Some(&self.example_dialogue),
            post_history: Some(&self.post_history),
            creator_notes: Some(&self.creator_notes),
            tags: Some(&self.tags),
            nickname: self.nickname.as_deref().into(),
            voice: self.voice.as_deref().into(),
            visibility: None,
        }
    }
}

pub(crate) async fn restore(
    personas: &Personas,
    by: &By,
    owner: UserId,
    slug: &str,
    version: i32,
) -> Result<Persona, ApiError> {
    let persona = own_persona(&personas.pool, owner, slug).await?;
    let settings = versions::settings(&personas.pool, persona, version).await?;
    let settings = settings.ok_or(ApiError::NotFound("version of this persona"))?;
    let mut restored: Restored = serde_json::from_value(settings)
        .map_err(|error| ApiError::Internal(format!("read version {version} of a persona: {error}")))?;
    let mut checks = Checks::default();
    check_settings(&mut checks, &restored.as_change());
    let config = personas.configuration.now();
    restored.chain = checked_chain(&mut checks, &config.providers, restored.chain.take().into()).value();
    check_voice(&mut checks, &config, restored.voice.as_deref());
    checks.done()?;
    change::change(&personas.pool, by, owner, slug, &restored.as_change()).await?.ok_or(NO_PERSONA)
}
