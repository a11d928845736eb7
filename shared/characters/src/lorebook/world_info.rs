//! SillyTavern's world info: entries by their numbers, with other names for the same fields.

use serde_json::value::RawValue;

use crate::{
    error::CardError,
    json::{Fields, raw},
    limits::MAX_ENTRIES,
};

/// Fields that are such of a lorebook's entry too.
const FIELDS: [(&str, &str); 8] = [
    ("uid", "id"),
    ("key", "keys"),
    ("keysecondary", "secondary_keys"),
    ("comment", "comment"),
    ("content", "content"),
    ("constant", "constant"),
    ("selective", "selective"),
    ("order", "insertion_order"),
];
/// Fields whose name as an extension is another.
const EXTENSIONS: [(&str, &str); 11] = [
    ("excludeRecursion", "exclude_recursion"),
    ("preventRecursion", "prevent_recursion"),
    ("delayUntilRecursion", "delay_until_recursion"),
    ("scanDepth", "scan_depth"),
    ("caseSensitive", "case_sensitive"),
    ("matchWholeWords", "match_whole_words"),
    ("useGroupScoring", "use_group_scoring"),
    ("automationId", "automation_id"),
    ("displayIndex", "display_index"),
    ("ignoreBudget", "ignore_budget"),
    ("outletName", "outlet_name"),
];

/// The JSON of the lorebook. What is unknown stays, as extensions.
pub(super) fn to_lorebook(document: &Fields) -> Result<String, CardError> {
    let mut book = Fields::default();
    let entries: Fields = document.object("entries");
    if entries.values().count() > MAX_ENTRIES {
        return Err(CardError::TooMany { what: "entries", most: MAX_ENTRIES });
    }
    let entries: Result<Vec<Fields>, _> = entries.values().map(|entry| serde_json::from_str(entry.get())).collect();
    let fault = "has an entry that is no object";
    let entries = entries.map_err(|_| CardError::Field { field: "entries".to_owned(), fault })?;
    let entries: Vec<_> = entries.iter().map(to_entry).collect();
    let mut extensions = Fields::default();
    for (name, value) in document.names().zip(document.values()).filter(|(name, _)| *name != "entries") {
        let target = if ["name", "description"].contains(&name) { &mut book } else { &mut extensions };
        target.set(name, value.to_owned());
    }
    book.set("extensions", raw(&extensions));
    book.set("entries", raw(&entries));
    serde_json::to_string(&book).map_err(|error| CardError::MalformedJson(error.to_string()))
}

fn to_entry(fields: &Fields) -> Fields {
    let mut entry = Fields::default();
    // An entry without it is none of SillyTavern's, whose patterns are those between slashes.
    let mut extensions = Fields::default();
    extensions.set("selectiveLogic", raw(&0));
    for (name, value) in fields.names().zip(fields.values()) {
        let value: Box<RawValue> = value.to_owned();
        if let Some((_, field)) = FIELDS.iter().find(|(theirs, _)| *theirs == name) {
            entry.set(field, value);
        } else if name == "disable" {
            entry.set("enabled", raw(&(value.get() != "true")));
        } else {
            let renamed =
                EXTENSIONS.iter().find(|(theirs, _)| *theirs == name).map_or(name, |(_, extension)| extension);
            extensions.set(renamed, value);
        }
    }
    if let Some(position) = fields.count("position") {
        entry.set("position", raw(&if position == 0 { "before_char" } else { "after_char" }));
    }
    // Patterns are told by their slashes.
    entry.set("use_regex", raw(&false));
    entry.set_default("enabled", &true);
    entry.set("extensions", raw(&extensions));
    entry
}
