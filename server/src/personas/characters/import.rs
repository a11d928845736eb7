//! Makes a persona of a card.

use serde::Serialize;
use sqlx::PgConnection;
use troupe_characters::{Imported, Lorebook, Sheet, is_png, lorebook::KeyFault};
use troupe_core::{
    ids::{PersonaId, UserId},
    model::{
        Persona, Visibility,
        audit::By,
        providers::{OverBudget, WhenCut},
    },
};
use troupe_db::personas::{
    self, Character, NewPersona, PersonaChange,
    avatars::{self, Avatar},
    characters,
};
use utoipa::ToSchema;

use super::super::{create::create, settings::check_settings};
use crate::http::{error::ApiError, extract::validation::Checks};

const MAX_DESCRIPTION_CHARS: usize = 1_000;
const MAX_TAG_CHARS: usize = 100;
const MAX_SLUG_CHARS: usize = 50;
const TEMPERATURE: f32 = 0.7;

/// The persona that was made of a card.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ImportedPersona {
    persona: Persona,
    report: ImportReport,
}

/// What became of a card.
#[derive(Debug, Serialize, ToSchema)]
struct ImportReport {
    /// `json`, `png` or `charx`.
    #[schema(example = "png")]
    container: &'static str,
    /// `v1`, `v2` or `v3`.
    #[schema(example = "v3")]
    version: &'static str,
    /// The fields that were used, and what they are now.
    used: Vec<UsedField>,
    /// Fields that nothing was made of. They are in exports.
    #[schema(example = json!(["creator", "assets"]))]
    unused: Vec<String>,
    /// Entries of the lorebook.
    lorebook_entries: usize,
    /// Keys that match nothing.
    key_faults: Vec<KeyFault>,
    /// Decorators that nothing is made of.
    unknown_decorators: Vec<String>,
    /// Why the persona has no picture although the card should have one.
    #[schema(example = "the picture has 20000 × 20000 pixels, of 40000000 that are read")]
    picture_fault: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct UsedField {
    #[schema(example = "first_mes")]
    from: &'static str,
    #[schema(example = "greetings")]
    to: &'static str,
}

/// The settings of a persona that a card gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CardSettings {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) system_prompt: String,
    pub(super) greetings: Vec<String>,
    pub(super) tags: Vec<String>,
    pub(super) nickname: Option<String>,
}

impl From<&Sheet> for CardSettings {
    fn from(sheet: &Sheet) -> Self {
        let short = |text: &str, most: usize| text.trim().chars().take(most).collect::<String>();
        let not_empty = |text: &String| !text.trim().is_empty();
        Self {
            name: sheet.name.trim().to_owned(),
            description: short(&sheet.creator_notes, MAX_DESCRIPTION_CHARS),
            system_prompt: sheet.prompt(),
            greetings: sheet.greetings.iter().filter(|greeting| not_empty(greeting)).cloned().collect(),
            tags: sheet.tags.iter().filter(|tag| not_empty(tag)).map(|tag| short(tag, MAX_TAG_CHARS)).collect(),
            nickname: sheet.nickname.as_deref().map(|nickname| nickname.trim().to_owned()),
        }
    }
}

/// A card that can become a persona.
pub(super) struct Candidate {
    imported: Imported,
    avatar: Option<Avatar>,
    settings: CardSettings,
    slug: Option<String>,
    report: ImportReport,
}

/// What became of the picture that a card came in.
pub(super) type ReadPicture = Result<Option<Avatar>, String>;

impl Candidate {
    /// Validates what the card gives as settings that somebody has typed.
    pub(super) fn examine(
        imported: Imported,
        picture: ReadPicture,
        lorebook: Option<&Lorebook>,
        slug: Option<String>,
    ) -> Result<Self, ApiError> {
        let sheet = &imported.card.sheet;
        let settings = CardSettings::from(sheet);
        let mut checks = Checks::default();
        let change = PersonaChange {
            name: Some(&settings.name),
            description: Some(&settings.description),
            system_prompt: Some(&settings.system_prompt),
            greetings: Some(&settings.greetings),
            example_dialogue: Some(&sheet.example_dialogue),
            post_history: Some(&sheet.post_history),
            creator_notes: Some(&sheet.creator_notes),
            tags: Some(&settings.tags),
            nickname: settings.nickname.as_deref().into(),
            ..PersonaChange::default()
        };
        check_settings(&mut checks, &change);
        checks.done()?;
        let (avatar, picture_fault) = match picture {
            Ok(avatar) => (avatar, None),
            Err(fault) => (None, Some(fault)),
        };
        let report = ImportReport {
            container: imported.container.name(),
            version: imported.card.version.name(),
            used: used_fields(&imported, avatar.is_some()),
            unused: imported.card.unused(),
            lorebook_entries: lorebook.map_or(0, Lorebook::len),
            key_faults: lorebook.map(Lorebook::faults).unwrap_or_default(),
            unknown_decorators: lorebook.map(Lorebook::unknown_decorators).unwrap_or_default(),
            picture_fault,
        };
        Ok(Self { imported, avatar, settings, slug, report })
    }

    /// Stores the persona with its card, its picture and its lorebook. Runs in the caller's transaction, for
    /// idempotency keys.
    pub(super) async fn store(
        self,
        db: &mut PgConnection,
        by: &By,
        owner: UserId,
    ) -> Result<ImportedPersona, ApiError> {
        let Self { imported, avatar, settings, slug, report } = self;
        let id = PersonaId::new();
        let slug = match slug {
            Some(slug) => slug,
            None => free_slug(db, &settings.name, id).await?,
        };
        let sheet = &imported.card.sheet;
        let persona = NewPersona {
            id,
            owner,
            slug: &slug,
            name: &settings.name,
            description: &settings.description,
            system_prompt: &settings.system_prompt,
            temperature: TEMPERATURE,
            model: None,
            chain: None,
            when_cut: WhenCut::default(),
            over_budget: OverBudget::default(),
            cache_replies: false,
            remembers: false,
            languages: &["en".to_owned()],
            visibility: Visibility::Private,
            character: Character {
                greetings: &settings.greetings,
                example_dialogue: &sheet.example_dialogue,
                post_history: &sheet.post_history,
                creator_notes: &sheet.creator_notes,
                tags: &settings.tags,
                nickname: settings.nickname.as_deref(),
                voice: None,
            },
            from_card: true,
        };
        let created = create(&mut *db, by, &persona).await?;
        // The picture of exports: as it came, in a kind that a card can be put into.
        let picture = imported.picture.ok().flatten().filter(|picture| is_png(picture));
        characters::put_card(&mut *db, id, &imported.json, picture.as_deref()).await?;
        if let Some(avatar) = &avatar {
            avatars::put(&mut *db, id, avatar).await?;
        }
        if let Some(book) = &sheet.lorebook {
            characters::put_lorebook(&mut *db, id, Some(book)).await?;
        }
        let persona = personas::find(&mut *db, owner, &created.slug).await?.unwrap_or(created);
        Ok(ImportedPersona { persona, report })
    }
}

/// What there is of a card, and what it became.
fn used_fields(imported: &Imported, has_avatar: bool) -> Vec<UsedField> {
    let sheet = &imported.card.sheet;
    let (first, alternatives) = sheet
        .greetings
        .split_first()
        .map_or((false, false), |(first, rest)| (!first.trim().is_empty(), !rest.is_empty()));
    let text = |text: &str| !text.trim().is_empty();
    let fields = [
        ("name", "name", true),
        ("nickname", "nickname", sheet.nickname.is_some()),
        ("system_prompt", "system_prompt", text(&sheet.system_prompt)),
        ("description", "system_prompt", text(&sheet.description)),
        ("personality", "system_prompt", text(&sheet.personality)),
        ("scenario", "system_prompt", text(&sheet.scenario)),
        ("first_mes", "greetings", first),
        ("alternate_greetings", "greetings", alternatives),
        ("mes_example", "example_dialogue", text(&sheet.example_dialogue)),
        ("post_history_instructions", "post_history", text(&sheet.post_history)),
        ("creator_notes", "creator_notes", text(&sheet.creator_notes)),
        ("creator_notes", "description", text(&sheet.creator_notes)),
        ("tags", "tags", !sheet.tags.is_empty()),
        ("character_book", "lorebook", sheet.lorebook.is_some()),
        ("the picture", "avatar", has_avatar),
    ];
    fields.into_iter().filter(|(.., is_there)| *is_there).map(|(from, to, _)| UsedField { from, to }).collect()
}

/// A slug of the name's Latin letters; with something of the id where it is taken.
async fn free_slug(db: &mut PgConnection, name: &str, id: PersonaId) -> Result<String, ApiError> {
    let letters = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
    let letters: String = letters.collect();
    let words: Vec<_> = letters.split('-').filter(|word| !word.is_empty()).collect();
    let slug: String = words.join("-").chars().take(MAX_SLUG_CHARS).collect();
    let slug = slug.trim_matches('-');
    let slug = if slug.len() < 2 { "character" } else { slug };
    if !characters::is_taken(&mut *db, slug).await? {
        return Ok(slug.to_owned());
    }
    let id = id.as_uuid().simple().to_string();
    Ok(format!("{slug}-{}", &id[id.len() - 8..]))
}
