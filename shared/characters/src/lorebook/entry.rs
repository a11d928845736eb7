//! One entry, as its fields and the extensions of SillyTavern say.

use std::collections::HashSet;

use super::{
    decorators::Decorators,
    keys::{Key, KeyRules},
    receipt::{LoreRole, Place},
};
use crate::{
    error::CardError,
    json::Fields,
    limits::{MAX_KEY_CHARS, MAX_KEYS},
};

/// Where SillyTavern puts what has no depth of its own, and the notes of an author.
const DEFAULT_DEPTH: u32 = 4;

/// How secondary keys decide once a key was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Logic {
    AndAny,
    NotAll,
    NotAny,
    AndAll,
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "settings that have nothing to do with each other")]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) keys: Vec<Key>,
    pub(super) secondary: Vec<Key>,
    pub(super) additional: Vec<Vec<Key>>,
    pub(super) excluded: Vec<Key>,
    pub(super) rules: KeyRules,
    /// A key that does not compile makes the entry one that never matches.
    pub(super) strict: bool,
    pub(super) logic: Logic,
    /// Without decorators.
    pub(super) content: String,
    pub(super) enabled: bool,
    pub(super) constant: bool,
    pub(super) order: i64,
    /// Beyond the budget those with the lowest go first.
    pub(super) priority: i64,
    /// `None` where prompts have no such place.
    pub(super) place: Option<Place>,
    /// In percent.
    pub(super) probability: u32,
    /// In messages, like the next two.
    pub(super) sticky: u32,
    pub(super) cooldown: u32,
    pub(super) delay: u32,
    pub(super) scan_depth: Option<u32>,
    /// The contents of others do not bring it.
    pub(super) exclude_recursion: bool,
    /// Its content brings no others.
    pub(super) prevent_recursion: bool,
    /// The round of recursion that it comes in at the earliest.
    pub(super) delay_until_recursion: u32,
    pub(super) ignore_budget: bool,
    pub(super) decorators: Decorators,
}

impl Entry {
    pub(super) fn read(fields: &Fields, id: String) -> Result<Self, CardError> {
        let extensions = fields.object("extensions");
        let keys = |name| fields.texts(name, "keys", MAX_KEYS);
        let content = fields.text("content")?.unwrap_or_default();
        let (decorators, content) = Decorators::parse(&content);
        let from_sillytavern = extensions.contains("selectiveLogic") || extensions.contains("exclude_recursion");
        let use_regex = fields.flag("use_regex").unwrap_or(false);
        let cased = fields.flag("case_sensitive").or_else(|| extensions.flag("case_sensitive"));
        let rules = KeyRules {
            case_sensitive: cased.unwrap_or(false),
            whole_words: extensions.flag("match_whole_words").unwrap_or(false),
            // SillyTavern says so of every entry, and means those between slashes.
            all_patterns: use_regex && !from_sillytavern,
        };
        let selective = fields.flag("selective").unwrap_or(false) && !rules.all_patterns;
        let secondary = if selective { keys("secondary_keys")? } else { Vec::new() };
        let excluded = if rules.all_patterns { &[][..] } else { &decorators.exclude_keys[..] };
        let flag = |name| extensions.flag(name).unwrap_or(false);
        let count = |name| extensions.count(name).unwrap_or(0);
        let name = match fields.text("name")?.filter(|name| !name.is_empty()) {
            Some(name) => name,
            None => fields.text("comment")?.unwrap_or_default(),
        };
        let order = fields.number("insertion_order").unwrap_or(0.0) as i64;
        let rolled = extensions.flag("useProbability").unwrap_or(true);
        Ok(Self {
            id,
            name: name.chars().take(200).collect(),
            keys: compile(&keys("keys")?, rules)?,
            secondary: compile(&secondary, rules)?,
            additional: decorators.additional_keys.iter().map(|keys| compile(keys, rules)).collect::<Result<_, _>>()?,
            excluded: compile(excluded, rules)?,
            rules,
            strict: rules.all_patterns,
            logic: match extensions.count("selectiveLogic") {
                Some(1) => Logic::NotAll,
                Some(2) => Logic::NotAny,
                Some(3) => Logic::AndAll,
                _ => Logic::AndAny,
            },
            content: content.to_owned(),
            enabled: fields.flag("enabled").unwrap_or(true),
            constant: fields.flag("constant").unwrap_or(false),
            order,
            priority: fields.number("priority").unwrap_or(0.0) as i64,
            place: place(fields, &extensions, &decorators),
            probability: if rolled { extensions.count("probability").unwrap_or(100).min(100) } else { 100 },
            sticky: count("sticky"),
            cooldown: count("cooldown"),
            delay: count("delay"),
            scan_depth: decorators.scan_depth.or_else(|| extensions.count("scan_depth")),
            exclude_recursion: flag("exclude_recursion"),
            prevent_recursion: flag("prevent_recursion"),
            delay_until_recursion: if flag("delay_until_recursion") { 1 } else { count("delay_until_recursion") },
            ignore_budget: flag("ignore_budget"),
            decorators,
        })
    }

    pub(super) fn all_keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter().chain(&self.secondary).chain(self.additional.iter().flatten()).chain(&self.excluded)
    }

    pub(super) fn counts_messages(&self) -> bool {
        let decorators = &self.decorators;
        self.delay > 0
            || self.has_memory()
            || decorators.activate_only_after.is_some()
            || decorators.activate_only_every.is_some()
    }

    /// Whether it matters when it was used before.
    pub(super) fn has_memory(&self) -> bool {
        let decorators = &self.decorators;
        self.sticky > 0
            || self.cooldown > 0
            || decorators.keep_activate_after_match
            || decorators.dont_activate_after_match
    }
}

fn compile(keys: &[String], rules: KeyRules) -> Result<Vec<Key>, CardError> {
    if keys.iter().any(|key| key.len() > MAX_KEY_CHARS && key.chars().count() > MAX_KEY_CHARS) {
        return Err(CardError::Field { field: "keys".to_owned(), fault: "has a key of more than 1000 characters" });
    }
    Ok(keys.iter().map(|key| Key::compile(key, rules)).collect())
}

/// Decorators before extensions before the field.
fn place(fields: &Fields, extensions: &Fields, decorators: &Decorators) -> Option<Place> {
    let role = || decorators.role.unwrap_or_default();
    let before = |before| if before { Place::BeforePersona } else { Place::AfterPersona };
    if let Some(before_description) = decorators.before_description {
        return Some(before(before_description));
    }
    if let Some(depth) = decorators.depth {
        return Some(Place::Depth { depth, role: role() });
    }
    if decorators.reverse_depth.is_some() {
        // Its depth is known with the conversation.
        return Some(Place::Depth { depth: u32::MAX, role: role() });
    }
    let at_depth = |depth| {
        let named = match extensions.count("role") {
            Some(1) => LoreRole::User,
            Some(2) => LoreRole::Assistant,
            _ => LoreRole::System,
        };
        Some(Place::Depth { depth, role: decorators.role.unwrap_or(named) })
    };
    match extensions.count("position") {
        Some(0) => Some(Place::BeforePersona),
        Some(1) => Some(Place::AfterPersona),
        Some(2 | 3) => at_depth(DEFAULT_DEPTH),
        Some(4) => at_depth(extensions.count("depth").unwrap_or(DEFAULT_DEPTH)),
        Some(5) => Some(Place::BeforeExamples),
        Some(6) => Some(Place::AfterExamples),
        Some(_) => None,
        None => Some(before(fields.value::<String>("position").is_none_or(|position| position != "after_char"))),
    }
}

/// The ids of entries: their own where they are different, else their places in the list.
pub(super) fn ids(entries: &[Fields]) -> Vec<String> {
    let mut seen = HashSet::new();
    let own = |fields: &Fields| fields.get("id").map(|id| id.get().trim_matches('"').to_owned());
    let ids = entries.iter().enumerate().map(|(place, fields)| {
        let id = own(fields).filter(|id| !id.is_empty() && id.len() <= 64 && id != "null");
        let id = id.filter(|id| seen.insert(id.clone()));
        id.unwrap_or_else(|| format!("#{place}"))
    });
    ids.collect()
}
