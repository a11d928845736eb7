//! Validation of settings, shared by new and changed personas.

use troupe_characters::limits::{MAX_GREETINGS, MAX_TAGS};
use troupe_core::model::Change;
use troupe_db::personas::PersonaChange;

use crate::http::extract::validation::Checks;

/// In characters, of a greeting too: as long as a prompt.
const MAX_CHARACTER_TEXT: usize = 32_768;

/// Validates the given settings; a chain is validated by [`super::chains`].
pub(crate) fn check_settings(checks: &mut Checks, change: &PersonaChange<'_>) {
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
    if let Change::Set(model) = change.model {
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
    check_character(checks, change);
}

/// Validates what a character has beside its prompt.
fn check_character(checks: &mut Checks, change: &PersonaChange<'_>) {
    let texts = [
        ("example_dialogue", change.example_dialogue),
        ("post_history", change.post_history),
        ("creator_notes", change.creator_notes),
    ];
    for (field, text) in texts {
        if let Some(text) = text {
            checks.text(field, text, 0..=MAX_CHARACTER_TEXT);
        }
    }
    if let Change::Set(nickname) = change.nickname {
        checks.text("nickname", nickname, 1..=100);
    }
    if let Some(greetings) = change.greetings {
        checks.rule(greetings.len() <= MAX_GREETINGS, "greetings", format!("must not be more than {MAX_GREETINGS}"));
        for (place, greeting) in greetings.iter().enumerate().take(MAX_GREETINGS) {
            checks.text(&format!("greetings[{place}]"), greeting, 1..=MAX_CHARACTER_TEXT);
        }
    }
    if let Some(tags) = change.tags {
        checks.rule(tags.len() <= MAX_TAGS, "tags", format!("must not be more than {MAX_TAGS}"));
        for (place, tag) in tags.iter().enumerate().take(MAX_TAGS) {
            checks.text(&format!("tags[{place}]"), tag, 1..=100);
        }
    }
}

/// Whether it is a valid slug.
pub(crate) fn is_slug(slug: &str) -> bool {
    (2..=63).contains(&slug.len())
        && !slug.starts_with('-')
        && slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}
