//! Makes a card of a persona: the one that it came as, with what has been changed since.

use sqlx::PgPool;
use troupe_characters::{Card, CardError, Sheet, Version, with_cards};
use troupe_core::{ids::PersonaId, model::Persona};
use troupe_db::personas::{
    avatars,
    characters::{self, StoredCard},
};

use super::{super::Pictures, import::CardSettings, off_the_path};
use crate::http::error::ApiError;

/// The persona as a card, and its picture.
pub(super) struct Exported {
    persona: PersonaId,
    card: Card,
    /// The one that it came in, until it gets another.
    picture: Option<Vec<u8>>,
}

impl Exported {
    pub(super) async fn load(pool: &PgPool, persona: Persona) -> Result<Self, ApiError> {
        let id = persona.id;
        let stored = characters::card(pool, persona.id).await?;
        let lorebook = characters::lorebook(pool, persona.id).await?;
        off_the_path(move || {
            let (card, picture) = match stored {
                Some(StoredCard { card, picture }) => (Card::parse(&card)?, picture),
                None => (Card::new(Sheet::default()), None),
            };
            let sheet = changed(&card.sheet, persona, lorebook);
            Ok(Self { persona: id, card: card.with(sheet), picture })
        })
        .await
    }

    pub(super) fn json(&self, version: Version) -> String {
        self.card.json(version)
    }

    pub(super) async fn png(self, pool: &PgPool, version: Version) -> Result<Vec<u8>, ApiError> {
        let picture = match self.picture {
            Some(picture) => Some(picture),
            None => match avatars::of(pool, self.persona).await? {
                Some(avatar) => Some(Pictures::png(avatar).await?),
                None => None,
            },
        };
        off_the_path(move || -> Result<Vec<u8>, CardError> {
            let texts = self.card.texts(version);
            let texts: Vec<_> = texts.iter().map(|(keyword, json)| (*keyword, json.as_str())).collect();
            with_cards(picture.as_deref(), &texts)
        })
        .await
    }
}

/// The values of the card, but for what is another in the persona than the card would make it.
fn changed(sheet: &Sheet, persona: Persona, lorebook: Option<String>) -> Sheet {
    let made = CardSettings::from(sheet);
    let mut new = sheet.clone();
    if persona.name != made.name {
        new.name = persona.name;
    }
    if persona.nickname != made.nickname {
        new.nickname = persona.nickname;
    }
    let prompt = persona.system_prompt.unwrap_or_default();
    if prompt != made.system_prompt {
        // All of it is in one setting now.
        new.description = prompt;
        for part in [&mut new.personality, &mut new.scenario, &mut new.system_prompt] {
            part.clear();
        }
    }
    if persona.greetings != made.greetings {
        new.greetings = persona.greetings;
    }
    if persona.tags != made.tags {
        new.tags = persona.tags;
    }
    new.example_dialogue = persona.example_dialogue.unwrap_or_default();
    new.post_history = persona.post_history.unwrap_or_default();
    new.creator_notes = persona.creator_notes.unwrap_or_default();
    new.lorebook = lorebook;
    new
}
