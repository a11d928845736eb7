//! A character: what is known of it, and every field as it came.
//!
//! An export begins from the fields that came and replaces those that have changed since, so a card that was not
//! edited is exported as it came.

use serde_json::value::RawValue;

use crate::{
    error::CardError,
    json::{Fields, parse, raw},
    limits::{MAX_GREETINGS, MAX_TAGS},
    lorebook::{Lorebook, without_decorators},
};

/// The fields of the first version, which has nothing else.
const V1_FIELDS: [&str; 6] = ["name", "description", "personality", "scenario", "first_mes", "mes_example"];
/// What they are called in the cards of Pygmalion and of older versions of text-generation-webui.
const PYGMALION_FIELDS: [(&str, &str); 5] = [
    ("char_name", "name"),
    ("char_persona", "description"),
    ("world_scenario", "scenario"),
    ("char_greeting", "first_mes"),
    ("example_dialogue", "mes_example"),
];
/// For readers of version 2 that are given a card of version 3.
const BACKFILLED: &str = "This is a card of version 3, in the form of version 2: what only version 3 has is missing.";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
    V3,
}

impl Version {
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
            Self::V3 => "v3",
        }
    }

    /// The values of `spec` and `spec_version`.
    const fn spec(self) -> (&'static str, &'static str) {
        match self {
            Self::V1 | Self::V2 => ("chara_card_v2", "2.0"),
            Self::V3 => ("chara_card_v3", "3.0"),
        }
    }
}

/// A character as it came.
#[derive(Debug, Clone)]
pub struct Card {
    pub version: Version,
    /// The document without `data`; of version 1 what is not known.
    document: Fields,
    data: Fields,
    /// What is known of it.
    pub sheet: Sheet,
}

/// What is known of a character, or what became of it: an export has these values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sheet {
    pub name: String,
    /// What `{{char}}` stands for, if it is not the name.
    pub nickname: Option<String>,
    pub description: String,
    pub personality: String,
    pub scenario: String,
    pub system_prompt: String,
    /// The first message, and its alternatives.
    pub greetings: Vec<String>,
    pub example_dialogue: String,
    pub post_history: String,
    pub creator_notes: String,
    pub tags: Vec<String>,
    /// The lorebook's JSON.
    pub lorebook: Option<String>,
}

impl Sheet {
    /// All that says who the character is, as one prompt.
    pub fn prompt(&self) -> String {
        let labelled = |label: &str, text: &str| match text.trim() {
            "" => String::new(),
            text => format!("{label}: {text}"),
        };
        let parts = [
            self.system_prompt.trim().to_owned(),
            self.description.trim().to_owned(),
            labelled("Personality", &self.personality),
            labelled("Scenario", &self.scenario),
        ];
        let prompt = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n");
        if prompt.is_empty() { "You are {{char}}.".to_owned() } else { prompt }
    }
}

impl Card {
    /// Parses the JSON of a card of any version.
    pub fn parse(json: &str) -> Result<Self, CardError> {
        let mut document: Fields = parse(json)?;
        let spec: Option<String> = document.value("spec");
        if spec.as_deref() == Some("lorebook_v3") || (document.has("entries") && !document.has("data")) {
            return Err(CardError::OnlyLorebook);
        }
        let version = match spec.as_deref() {
            Some("chara_card_v3") => Version::V3,
            Some(_) => Version::V2,
            // Some writers forget what they write.
            None if document.get("data").is_some_and(|data| data.get().starts_with('{')) => Version::V2,
            None => Version::V1,
        };
        let data = if version == Version::V1 {
            if !document.has("name") {
                rename_pygmalion_fields(&mut document);
            }
            let mut data = Fields::default();
            for name in V1_FIELDS {
                if let Some(value) = document.remove(name) {
                    data.set(name, value);
                }
            }
            data
        } else {
            let data = document.remove("data").ok_or(CardError::NoCharacter("it has no `data`"))?;
            parse(data.get()).map_err(|_| CardError::NoCharacter("its `data` is no object"))?
        };
        let sheet = sheet(&data)?;
        Ok(Self { version, document, data, sheet })
    }

    /// A card of a character that came from nowhere.
    pub fn new(sheet: Sheet) -> Self {
        let blank = Self {
            version: Version::V3,
            document: Fields::default(),
            data: Fields::default(),
            sheet: Sheet::default(),
        };
        blank.with(sheet)
    }

    /// The same card with other values. Fields whose value is the same stay as they came.
    #[must_use]
    pub fn with(mut self, sheet: Sheet) -> Self {
        let old = std::mem::replace(&mut self.sheet, sheet);
        let new = &self.sheet;
        let (first, alternatives) = split(&new.greetings);
        let (old_first, old_alternatives) = split(&old.greetings);
        let texts = [
            ("name", &old.name, &new.name),
            ("description", &old.description, &new.description),
            ("personality", &old.personality, &new.personality),
            ("scenario", &old.scenario, &new.scenario),
            ("first_mes", &old_first, &first),
            ("mes_example", &old.example_dialogue, &new.example_dialogue),
            ("creator_notes", &old.creator_notes, &new.creator_notes),
            ("system_prompt", &old.system_prompt, &new.system_prompt),
            ("post_history_instructions", &old.post_history, &new.post_history),
        ];
        for (field, before, now) in texts.into_iter().filter(|(_, before, now)| before != now) {
            self.data.set(field, raw(now));
            // Version 2 is often written with version 1 around it, for older readers.
            if self.document.value::<String>(field).as_ref() == Some(before) {
                self.document.set(field, raw(now));
            }
        }
        let lists = [("alternate_greetings", old_alternatives, alternatives), ("tags", &old.tags[..], &new.tags[..])];
        for (field, _, now) in lists.into_iter().filter(|(_, before, now)| before != now) {
            self.data.set(field, raw(&now));
        }
        if old.nickname != new.nickname {
            self.data.set("nickname", raw(&new.nickname));
        }
        if old.lorebook != new.lorebook {
            let book = new.lorebook.as_ref().and_then(|book| RawValue::from_string(book.clone()).ok());
            match book {
                Some(book) => self.data.set("character_book", book),
                None => _ = self.data.remove("character_book"),
            }
        }
        self
    }

    /// The card as JSON.
    pub fn json(&self, version: Version) -> String {
        self.document_of(version, self.data.clone())
    }

    /// The texts of a picture, by their keywords. That of version 3 has one of version 2 beside it, for older readers.
    pub fn texts(&self, version: Version) -> Vec<(&'static str, String)> {
        if version != Version::V3 {
            return vec![("chara", self.json(version))];
        }
        let mut older = self.data.clone();
        let notes = format!("{BACKFILLED}\n\n{}", self.sheet.creator_notes);
        older.set("creator_notes", raw(&notes.trim_end()));
        vec![("chara", self.document_of(Version::V2, older)), ("ccv3", self.json(Version::V3))]
    }

    fn document_of(&self, version: Version, mut data: Fields) -> String {
        let mut document = self.document.clone();
        let (spec, spec_version) = version.spec();
        // Others read by it: a name that no specification has must not come out again.
        if document.value::<String>("spec").as_deref() != Some(spec) {
            document.set("spec", raw(&spec));
            document.set("spec_version", raw(&spec_version));
        }
        document.set_default("spec_version", &spec_version);
        for field in V1_FIELDS {
            data.set_default(field, &"");
        }
        for field in ["creator_notes", "system_prompt", "post_history_instructions", "creator", "character_version"] {
            data.set_default(field, &"");
        }
        data.set_default("alternate_greetings", &[""; 0]);
        data.set_default("tags", &[""; 0]);
        data.set_default("extensions", &Fields::default());
        if version == Version::V3 {
            data.set_default("group_only_greetings", &[""; 0]);
        }
        let book = data.get("character_book").and_then(|book| serde_json::from_str::<Fields>(book.get()).ok());
        if let Some(book) = book.filter(|_| self.version != version) {
            data.set("character_book", raw(&book_of(version, book)));
        }
        document.set("data", raw(&data));
        serde_json::to_string(&document).unwrap_or_default()
    }

    /// The file in an archive that is the character's picture.
    pub(crate) fn picture(&self) -> Option<String> {
        let assets: Vec<Fields> = self.data.value("assets")?;
        let icons = || assets.iter().filter(|asset| asset.value::<String>("type").is_some_and(|kind| kind == "icon"));
        let main = icons().find(|asset| asset.value::<String>("name").is_some_and(|name| name == "main"));
        let uri: String = main.or_else(|| icons().next())?.value("uri")?;
        // The specification spells it so; some writers do not.
        let path = uri.strip_prefix("embeded://").or_else(|| uri.strip_prefix("embedded://"))?;
        Some(path.to_owned())
    }

    /// Fields that nothing was made of, by their place in the document. They are in exports.
    pub fn unused(&self) -> Vec<String> {
        const USED: [&str; 8] = [
            "system_prompt",
            "post_history_instructions",
            "creator_notes",
            "alternate_greetings",
            "tags",
            "nickname",
            "character_book",
            "name",
        ];
        let empty = |value: &RawValue| matches!(value.get(), "null" | "\"\"" | "[]" | "{}");
        let unused = |fields: &Fields, prefix: &str, used: &[&str]| {
            let fields = fields.names().zip(fields.values());
            let unused = fields.filter(|(name, value)| !used.contains(name) && !empty(value));
            unused.map(|(name, _)| format!("{prefix}{name}")).collect::<Vec<_>>()
        };
        let mut names = unused(&self.data, "", &[&USED[..], &V1_FIELDS[..]].concat());
        // Version 2 is often written with version 1 around it.
        names.extend(unused(&self.document, "/", &[&["spec", "spec_version"][..], &V1_FIELDS[..]].concat()));
        names
    }
}

/// Gives the fields of a card without a name those of version 1. What both have stays as it is.
fn rename_pygmalion_fields(document: &mut Fields) {
    for (theirs, ours) in PYGMALION_FIELDS {
        if document.has(ours) {
            continue;
        }
        if let Some(value) = document.remove(theirs) {
            document.set(ours, value);
        }
    }
}

fn split(greetings: &[String]) -> (String, &[String]) {
    greetings.split_first().map_or_else(Default::default, |(first, rest)| (first.clone(), rest))
}

fn sheet(data: &Fields) -> Result<Sheet, CardError> {
    let text = |name| data.text(name).map(Option::unwrap_or_default);
    let wrong = |name: &str, fault| Err(CardError::Field { field: name.to_owned(), fault });
    let name = match data.text("name")? {
        Some(name) => name,
        None if data.has("name") => return wrong("name", "is no text"),
        None => return Err(CardError::NoCharacter("it has no `name`")),
    };
    if name.trim().is_empty() {
        return wrong("name", "is empty");
    }
    let first = text("first_mes")?;
    let alternatives = data.texts("alternate_greetings", "greetings", MAX_GREETINGS)?;
    let greetings =
        if first.is_empty() && alternatives.is_empty() { Vec::new() } else { [vec![first], alternatives].concat() };
    let lorebook = if data.has("character_book") {
        let book = data.get("character_book").map(|book| book.get().to_owned()).unwrap_or_default();
        Lorebook::parse(&book)?;
        Some(book)
    } else {
        None
    };
    Ok(Sheet {
        name,
        nickname: data.text("nickname")?.filter(|nickname| !nickname.trim().is_empty()),
        description: text("description")?,
        personality: text("personality")?,
        scenario: text("scenario")?,
        system_prompt: text("system_prompt")?,
        greetings,
        example_dialogue: text("mes_example")?,
        post_history: text("post_history_instructions")?,
        creator_notes: text("creator_notes")?,
        tags: data.texts("tags", "tags", MAX_TAGS)?,
        lorebook,
    })
}

/// A lorebook as the version has it: with the fields that it demands, and without decorators before version 3.
fn book_of(version: Version, mut book: Fields) -> Fields {
    let Some(mut entries) = book.value::<Vec<Fields>>("entries") else { return book };
    book.set_default("extensions", &Fields::default());
    for (place, entry) in entries.iter_mut().enumerate() {
        entry.set_default("keys", &[""; 0]);
        entry.set_default("content", &"");
        entry.set_default("extensions", &Fields::default());
        entry.set_default("enabled", &true);
        entry.set_default("insertion_order", &place);
        if version == Version::V3 {
            entry.set_default("use_regex", &false);
        } else if let Some(content) = entry.value::<String>("content") {
            let bare = without_decorators(&content);
            if bare != content {
                entry.set("content", raw(&bare));
            }
        }
    }
    book.set("entries", raw(&entries));
    book
}
