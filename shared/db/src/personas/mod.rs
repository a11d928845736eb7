//! Personas, for their owners and their users.

pub mod avatars;
pub mod characters;
pub mod inspection;
pub mod moderation;
pub mod versions;

use sqlx::{PgExecutor, Result};
use troupe_core::{
    ids::{PersonaId, UserId},
    model::{
        Change, Persona, Visibility,
        providers::{OverBudget, WhenCut},
    },
};
use uuid::Uuid;

use crate::Page;

/// A new persona.
#[derive(Debug, Clone)]
pub struct NewPersona<'a> {
    pub id: PersonaId,
    pub owner: UserId,
    pub slug: &'a str,
    pub name: &'a str,
    pub description: &'a str,
    pub system_prompt: &'a str,
    pub temperature: f32,
    pub model: Option<&'a str>,
    pub chain: Option<&'a [String]>,
    pub when_cut: WhenCut,
    pub over_budget: OverBudget,
    pub cache_replies: bool,
    pub remembers: bool,
    pub languages: &'a [String],
    pub visibility: Visibility,
    pub character: Character<'a>,
    /// Whether it came as a card.
    pub from_card: bool,
}

/// What a character has beside its prompt.
#[derive(Debug, Clone, Copy, Default)]
pub struct Character<'a> {
    pub greetings: &'a [String],
    pub example_dialogue: &'a str,
    pub post_history: &'a str,
    pub creator_notes: &'a str,
    pub tags: &'a [String],
    pub nickname: Option<&'a str>,
    pub voice: Option<&'a str>,
}

/// A change; `None` is unchanged.
#[derive(Debug, Clone, Default)]
pub struct PersonaChange<'a> {
    pub name: Option<&'a str>,
    pub description: Option<&'a str>,
    pub system_prompt: Option<&'a str>,
    pub temperature: Option<f32>,
    pub model: Change<&'a str>,
    pub chain: Change<&'a [String]>,
    pub when_cut: Option<WhenCut>,
    pub over_budget: Option<OverBudget>,
    pub cache_replies: Option<bool>,
    pub remembers: Option<bool>,
    pub languages: Option<&'a [String]>,
    pub visibility: Option<Visibility>,
    pub greetings: Option<&'a [String]>,
    pub example_dialogue: Option<&'a str>,
    pub post_history: Option<&'a str>,
    pub creator_notes: Option<&'a str>,
    pub tags: Option<&'a [String]>,
    pub nickname: Change<&'a str>,
    pub voice: Change<&'a str>,
}

impl PersonaChange<'_> {
    /// The names of the given settings.
    pub fn named(&self) -> Vec<&'static str> {
        let all = [
            ("name", self.name.is_some()),
            ("description", self.description.is_some()),
            ("system_prompt", self.system_prompt.is_some()),
            ("temperature", self.temperature.is_some()),
            ("model", !self.model.is_kept()),
            ("chain", !self.chain.is_kept()),
            ("when_cut", self.when_cut.is_some()),
            ("over_budget", self.over_budget.is_some()),
            ("cache_replies", self.cache_replies.is_some()),
            ("remembers", self.remembers.is_some()),
            ("languages", self.languages.is_some()),
            ("visibility", self.visibility.is_some()),
            ("greetings", self.greetings.is_some()),
            ("example_dialogue", self.example_dialogue.is_some()),
            ("post_history", self.post_history.is_some()),
            ("creator_notes", self.creator_notes.is_some()),
            ("tags", self.tags.is_some()),
            ("nickname", !self.nickname.is_kept()),
            ("voice", !self.voice.is_kept()),
        ];
        all.into_iter().filter(|(_, given)| *given).map(|(name, _)| name).collect()
    }
}

pub async fn create(db: impl PgExecutor<'_>, new: &NewPersona<'_>) -> Result<Persona> {
    sqlx::query_as!(
        Persona,
        r#"insert into personas (id, owner_id, slug, name, description, system_prompt, temperature, model, languages, visibility,
               chain, when_cut, over_budget, cache_replies, remembers, greetings, example_dialogue, post_history, creator_notes,
               tags, nickname, from_card, voice)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)
           returning id as "id: PersonaId", slug, name, description, system_prompt as "system_prompt: Option<String>",
               temperature, model, chain, when_cut as "when_cut: WhenCut", over_budget as "over_budget: OverBudget",
               cache_replies, remembers, languages, visibility as "visibility: Visibility", true as "owned!", hidden_at,
               hidden_reason, avatar_url(slug, avatar) as avatar_url, greetings, tags, nickname, voice, has_lorebook,
               example_dialogue as "example_dialogue: Option<String>",
               post_history as "post_history: Option<String>", creator_notes as "creator_notes: Option<String>",
               created_at, updated_at"#,
        new.id.as_uuid(),
        new.owner.as_uuid(),
        new.slug,
        new.name,
        new.description,
        new.system_prompt,
        new.temperature,
        new.model,
        new.languages,
        new.visibility as Visibility,
        new.chain,
        new.when_cut as WhenCut,
        new.over_budget as OverBudget,
        new.cache_replies,
        new.remembers,
        new.character.greetings,
        new.character.example_dialogue,
        new.character.post_history,
        new.character.creator_notes,
        new.character.tags,
        new.character.nickname,
        new.from_card,
        new.character.voice,
    )
    .fetch_one(db)
    .await
}

/// The personas that a user can find: their own and the public ones, the newest first.
pub async fn list(db: impl PgExecutor<'_>, user: UserId, page: Page<PersonaId>) -> Result<Vec<Persona>> {
    sqlx::query_as!(
        Persona,
        r#"select id as "id: PersonaId", slug, name, description,
               case when owner_id = $1 then system_prompt end as system_prompt,
               temperature, model, case when owner_id = $1 then chain end as chain, when_cut as "when_cut: WhenCut",
               over_budget as "over_budget: OverBudget", cache_replies, remembers, languages,
               visibility as "visibility: Visibility",
               coalesce(owner_id = $1, false) as "owned!", hidden_at, hidden_reason, avatar_url(slug, avatar) as avatar_url,
               greetings, tags, nickname, voice, has_lorebook,
               case when owner_id = $1 then example_dialogue end as example_dialogue,
               case when owner_id = $1 then post_history end as post_history,
               case when owner_id = $1 then creator_notes end as creator_notes, created_at, updated_at
           from personas
           where id in ((select id from personas where owner_id = $1 and id < $2 order by id desc limit $3)
                        union
                        (select id from personas where visibility = 'public' and hidden_at is null and id < $2
                         order by id desc limit $3))
           order by id desc limit $3"#,
        user.as_uuid(),
        page.after.map_or(Uuid::max(), PersonaId::as_uuid),
        page.limit,
    )
    .fetch_all(db)
    .await
}

/// A persona that a user may talk with.
pub async fn find(db: impl PgExecutor<'_>, user: UserId, slug: &str) -> Result<Option<Persona>> {
    sqlx::query_as!(
        Persona,
        r#"select id as "id: PersonaId", slug, name, description,
               case when owner_id = $1 then system_prompt end as system_prompt,
               temperature, model, case when owner_id = $1 then chain end as chain, when_cut as "when_cut: WhenCut",
               over_budget as "over_budget: OverBudget", cache_replies, remembers, languages,
               visibility as "visibility: Visibility",
               coalesce(owner_id = $1, false) as "owned!", hidden_at, hidden_reason, avatar_url(slug, avatar) as avatar_url,
               greetings, tags, nickname, voice, has_lorebook,
               case when owner_id = $1 then example_dialogue end as example_dialogue,
               case when owner_id = $1 then post_history end as post_history,
               case when owner_id = $1 then creator_notes end as creator_notes, created_at, updated_at
           from personas
           where slug = $2 and (owner_id = $1 or (visibility in ('public', 'link') and hidden_at is null))"#,
        user.as_uuid(),
        slug,
    )
    .fetch_optional(db)
    .await
}

/// Changes a persona of this owner; `None` where there is none.
pub async fn update(
    db: impl PgExecutor<'_>,
    owner: UserId,
    slug: &str,
    change: &PersonaChange<'_>,
) -> Result<Option<Persona>> {
    sqlx::query_as!(
        Persona,
        r#"update personas set
               name = coalesce($3, name), description = coalesce($4, description),
               system_prompt = coalesce($5, system_prompt), temperature = coalesce($6, temperature),
               model = case when $10 then model else $7 end, languages = coalesce($8, languages),
               visibility = coalesce($9, visibility), chain = case when $11 then chain else $12 end,
               when_cut = coalesce($13, when_cut), over_budget = coalesce($14, over_budget),
               cache_replies = coalesce($15, cache_replies), remembers = coalesce($16, remembers),
               greetings = coalesce($17, greetings), example_dialogue = coalesce($18, example_dialogue),
               post_history = coalesce($19, post_history), creator_notes = coalesce($20, creator_notes),
               tags = coalesce($21, tags), nickname = case when $22 then nickname else $23 end,
               voice = case when $24 then voice else $25 end,
               version = version + 1, updated_at = now()
           where owner_id = $1 and slug = $2
           returning id as "id: PersonaId", slug, name, description, system_prompt as "system_prompt: Option<String>",
               temperature, model, chain, when_cut as "when_cut: WhenCut", over_budget as "over_budget: OverBudget",
               cache_replies, remembers, languages, visibility as "visibility: Visibility", true as "owned!", hidden_at,
               hidden_reason, avatar_url(slug, avatar) as avatar_url, greetings, tags, nickname, voice, has_lorebook,
               example_dialogue as "example_dialogue: Option<String>",
               post_history as "post_history: Option<String>", creator_notes as "creator_notes: Option<String>",
               created_at, updated_at"#,
        owner.as_uuid(),
        slug,
        change.name,
        change.description,
        change.system_prompt,
        change.temperature,
        change.model.value(),
        change.languages,
        change.visibility as Option<Visibility>,
        change.model.is_kept(),
        change.chain.is_kept(),
        change.chain.value(),
        change.when_cut as Option<WhenCut>,
        change.over_budget as Option<OverBudget>,
        change.cache_replies,
        change.remembers,
        change.greetings,
        change.example_dialogue,
        change.post_history,
        change.creator_notes,
        change.tags,
        change.nickname.is_kept(),
        change.nickname.value(),
        change.voice.is_kept(),
        change.voice.value(),
    )
    .fetch_optional(db)
    .await
}

/// Gives a persona without an owner to this user; returns whether there was one.
pub async fn adopt(db: impl PgExecutor<'_>, slug: &str, owner: UserId) -> Result<bool> {
    let adopted =
        sqlx::query!("update personas set owner_id = $2 where slug = $1 and owner_id is null", slug, owner.as_uuid(),)
            .execute(db)
            .await?;
    Ok(adopted.rows_affected() == 1)
}

/// Deletes a persona with its conversations; returns its id, if there was one.
pub async fn delete(db: impl PgExecutor<'_>, owner: UserId, slug: &str) -> Result<Option<PersonaId>> {
    sqlx::query_scalar!(
        r#"delete from personas where owner_id = $1 and slug = $2 returning id as "id: PersonaId""#,
        owner.as_uuid(),
        slug,
    )
    .fetch_optional(db)
    .await
}

/// The visibility of a persona of this owner, locked until the end of the transaction.
pub async fn lock_visibility(db: impl PgExecutor<'_>, owner: UserId, slug: &str) -> Result<Option<Visibility>> {
    sqlx::query_scalar!(
        r#"select visibility as "visibility: Visibility" from personas where owner_id = $1 and slug = $2 for no key update"#,
        owner.as_uuid(),
        slug,
    )
    .fetch_optional(db)
    .await
}

/// The persona with this slug, if this owner has it.
pub async fn find_own(db: impl PgExecutor<'_>, owner: UserId, slug: &str) -> Result<Option<PersonaId>> {
    sqlx::query_scalar!(
        r#"select id as "id: PersonaId" from personas where owner_id = $1 and slug = $2"#,
        owner.as_uuid(),
        slug
    )
    .fetch_optional(db)
    .await
}

/// The same, locked with all that it is made of until the end of the transaction.
pub async fn lock_own(db: impl PgExecutor<'_>, owner: UserId, slug: &str) -> Result<Option<PersonaId>> {
    sqlx::query_scalar!(
        r#"select id as "id: PersonaId" from personas where owner_id = $1 and slug = $2 for no key update"#,
        owner.as_uuid(),
        slug,
    )
    .fetch_optional(db)
    .await
}

/// Prevents the deletion of a persona until the end of the transaction.
pub async fn hold(db: impl PgExecutor<'_>, id: PersonaId) -> Result<()> {
    sqlx::query!("select from personas where id = $1 for key share", id.as_uuid()).execute(db).await?;
    Ok(())
}
