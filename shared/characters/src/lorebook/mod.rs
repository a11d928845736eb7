//! Lorebooks: entries that a prompt gets when the conversation comes to what they are about.
//!
//! The fields are those of the specification; of the extensions those that SillyTavern writes, whose world info is the
//! model for what they mean. A number in them that counts messages counts questions and replies alike.

mod decorators;
mod entry;
mod keys;
mod receipt;
mod scan;
mod sources;
mod world_info;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

pub(crate) use self::decorators::without_decorators;
use self::{entry::Entry, keys::Key};
pub use self::{
    receipt::{EntryReceipt, LoreRole, Place, Reason},
    scan::{Chosen, Conversation, Scanned, Settings, State},
};
use crate::{
    error::CardError,
    json::{Fields, parse, raw},
    limits::{MAX_ENTRIES, MAX_FILE_BYTES, MAX_PATTERNS},
    read::json,
};

/// A compiled lorebook.
#[derive(Debug)]
pub struct Lorebook {
    /// As it came.
    json: String,
    /// In messages; by default that of the settings.
    scan_depth: Option<u32>,
    token_budget: Option<u32>,
    /// Whether the text of entries brings others; yes by default.
    recursive: bool,
    entries: Vec<Entry>,
}

/// A key that matches nothing, because it is no pattern that can be matched in linear time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyFault {
    /// The id of the entry.
    #[schema(example = "3")]
    pub entry: String,
    #[schema(example = "/(?<=the )king/")]
    pub key: String,
    #[schema(example = "look-around, including look-ahead and look-behind, is not supported")]
    pub fault: String,
}

impl Lorebook {
    /// Parses the JSON of a lorebook, as it is in a card.
    pub fn parse(text: &str) -> Result<Self, CardError> {
        let book: Fields = parse(text)?;
        let wrong = |fault| CardError::Field { field: "entries".to_owned(), fault };
        let entries: Vec<&RawValue> = match book.get("entries") {
            Some(entries) => serde_json::from_str(entries.get()).map_err(|_| wrong("is no list"))?,
            None => Vec::new(),
        };
        if entries.len() > MAX_ENTRIES {
            return Err(CardError::TooMany { what: "entries", most: MAX_ENTRIES });
        }
        let entries: Result<Vec<Fields>, _> =
            entries.into_iter().map(|entry| serde_json::from_str(entry.get())).collect();
        let entries = entries.map_err(|_| wrong("has an entry that is no object"))?;
        let ids = entry::ids(&entries);
        let entries: Result<Vec<_>, _> = entries.iter().zip(ids).map(|(fields, id)| Entry::read(fields, id)).collect();
        let book = Self {
            json: text.trim_start_matches('\u{feff}').to_owned(),
            scan_depth: book.count("scan_depth"),
            token_budget: book.count("token_budget").filter(|budget| *budget > 0),
            recursive: book.flag("recursive_scanning").unwrap_or(true),
            entries: entries?,
        };
        if book.all_keys().filter(|key| key.is_pattern()).count() > MAX_PATTERNS {
            return Err(CardError::TooMany { what: "keys that are patterns", most: MAX_PATTERNS });
        }
        Ok(book)
    }

    /// Reads a file: a lorebook by itself, SillyTavern's world info, or the lorebook of a card.
    pub fn read(bytes: &[u8]) -> Result<Self, CardError> {
        if bytes.len() > MAX_FILE_BYTES {
            return Err(CardError::FileTooLarge(bytes.len()));
        }
        let Ok(text) = json(bytes) else {
            let card = crate::read(bytes)?.card;
            return Self::parse(&card.sheet.lorebook.ok_or(CardError::NoLorebook)?);
        };
        let document: Fields = parse(text)?;
        let spec: Option<String> = document.value("spec");
        if spec.as_deref() == Some("lorebook_v3") {
            let data = document.get("data").ok_or(CardError::NoCharacter("it has no `data`"))?;
            return Self::parse(data.get());
        }
        if spec.is_none() && document.get("entries").is_some_and(|entries| entries.get().starts_with('{')) {
            return Self::parse(&world_info::to_lorebook(&document)?);
        }
        if spec.is_none() && document.contains("entries") {
            return Self::parse(text);
        }
        let card = crate::Card::parse(text).map_err(|_| CardError::NoLorebook)?;
        Self::parse(&card.sheet.lorebook.ok_or(CardError::NoLorebook)?)
    }

    /// As it came, or as it was converted to.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// By itself, as a file.
    pub fn standalone(json: &str) -> String {
        let mut document = Fields::default();
        document.set("spec", raw(&"lorebook_v3"));
        if let Ok(book) = RawValue::from_string(json.to_owned()) {
            document.set("data", book);
        }
        serde_json::to_string(&document).unwrap_or_default()
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether any entry looks at how long the conversation is.
    pub fn counts_messages(&self) -> bool {
        self.entries.iter().any(Entry::counts_messages)
    }

    /// Whether any entry depends on when it was used before.
    pub fn has_memory(&self) -> bool {
        self.entries.iter().any(Entry::has_memory)
    }

    /// The keys that do not compile.
    pub fn faults(&self) -> Vec<KeyFault> {
        let keys = self.entries.iter().flat_map(|entry| entry.all_keys().map(move |key| (entry, key)));
        let faults = keys.filter_map(|(entry, key)| {
            let (key, fault) = key.fault()?;
            Some(KeyFault { entry: entry.id.clone(), key: key.to_owned(), fault: fault.to_owned() })
        });
        faults.collect()
    }

    /// Names of decorators that nothing is made of, each once. They are in exports.
    pub fn unknown_decorators(&self) -> Vec<String> {
        let names: std::collections::BTreeSet<_> =
            self.entries.iter().flat_map(|entry| &entry.decorators.unknown).cloned().collect();
        names.into_iter().collect()
    }

    fn all_keys(&self) -> impl Iterator<Item = &Key> {
        self.entries.iter().flat_map(Entry::all_keys)
    }
}
