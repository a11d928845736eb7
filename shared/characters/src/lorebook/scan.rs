//! The engine: which entries a prompt gets, and a receipt for each.
//!
//! Rounds: the first looks through the messages, each later one also through the contents of entries that came in the
//! round before. They are as many as the settings allow, and an entry comes once, so entries that call each other end.

use std::{cmp::Reverse, collections::BTreeMap};

use fastrand::Rng;
use serde::{Deserialize, Serialize};

use super::{
    Lorebook,
    entry::{Entry, Logic},
    keys::Key,
    receipt::{EntryReceipt, Place, Reason},
    sources::{Origin, Source, Work},
};
use crate::macros::{Macros, seeded};

/// What entries are looked for in.
#[derive(Debug, Clone, Copy)]
pub struct Conversation<'a> {
    /// The newest first.
    pub messages: &'a [&'a str],
    /// Of the whole conversation, which may be longer; the question included.
    pub count: u32,
    /// Replies in the whole conversation, the greeting included.
    pub replies: u32,
    /// The greeting that it began with; 0 is the first.
    pub greeting: Option<u32>,
    /// Whether the prompt leaves messages out.
    pub is_cut: bool,
}

#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// For lorebooks and entries that say none, in messages.
    pub scan_depth: u32,
    /// In tokens; a lorebook's own counts if it is less.
    pub budget: usize,
    /// Rounds after the first.
    pub max_recursion: u32,
    /// Of the dice: with the same seed the same entries come.
    pub seed: u64,
}

/// What is remembered from one scan to the next: by the id of an entry the number of messages when it was last found.
/// Only entries are in it for which that matters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State(pub BTreeMap<String, u32>);

/// An entry for the prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    pub id: String,
    pub content: String,
    pub place: Place,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scanned {
    /// In the order of insertion, the lowest first.
    pub chosen: Vec<Chosen>,
    /// In the order of the lorebook.
    pub receipt: Vec<EntryReceipt>,
    pub state: State,
    pub tokens: usize,
}

/// What is decided of an entry in a round.
enum Verdict<'a> {
    Found {
        reason: Reason,
        hit: Option<Hit<'a>>,
    },
    /// No round changes it.
    Out(Reason),
    /// A later round may.
    NotYet(Reason),
}

/// Where a key was found.
struct Hit<'a> {
    key: &'a Key,
    origin: Origin,
}

struct Scan<'a> {
    book: &'a Lorebook,
    conversation: Conversation<'a>,
    settings: Settings,
    before: &'a State,
    macros: &'a Macros,
    sources: Vec<Source<'a>>,
    work: Work,
}

impl Lorebook {
    /// Decides which entries the prompt gets.
    pub fn scan(
        &self,
        conversation: Conversation<'_>,
        settings: Settings,
        before: &State,
        macros: &Macros,
        tokens: &dyn Fn(&str) -> usize,
    ) -> Scanned {
        let sources = conversation.messages.iter().zip(0..).map(|(text, back)| Source::message(back, text)).collect();
        let work = Work::default();
        Scan { book: self, conversation, settings, before, macros, sources, work }.run(tokens)
    }
}

impl<'a> Scan<'a> {
    fn run(mut self, tokens: &dyn Fn(&str) -> usize) -> Scanned {
        let entries = &self.book.entries;
        let mut receipts: Vec<Option<EntryReceipt>> = vec![None; entries.len()];
        let mut open_reasons = vec![Reason::NoKey; entries.len()];
        let mut state = self.before.clone();
        let mut used = 0;
        let mut overflowed = false;
        let budget = self.book.token_budget.map_or(self.settings.budget, |own| self.settings.budget.min(own as usize));
        for round in 0..=self.settings.max_recursion {
            let mut found = Vec::new();
            for (index, entry) in entries.iter().enumerate() {
                if receipts[index].is_some() {
                    continue;
                }
                match self.look(entry, round) {
                    Verdict::Found { reason, hit } => found.push((index, reason, hit)),
                    Verdict::Out(reason) => receipts[index] = Some(left_out(entry, reason)),
                    Verdict::NotYet(reason) => open_reasons[index] = reason,
                }
            }
            found.sort_by_key(|(index, reason, _)| {
                let entry = &entries[*index];
                (*reason != Reason::Sticky, Reverse(entry.priority), Reverse(entry.order), *index)
            });
            let texts_before = self.sources.len();
            for (index, reason, hit) in found {
                let entry = &entries[index];
                let mut receipt = receipt(entry, reason);
                if let Some(Hit { key, origin }) = hit {
                    receipt.key = Some(key.source().to_owned());
                    match origin {
                        Origin::Message(back) => receipt.message = Some(back),
                        Origin::Entry(index) => receipt.entry = Some(entries[index].id.clone()),
                    }
                }
                let cost = tokens(&entry.content);
                receipt.tokens = Some(u32::try_from(cost).unwrap_or(u32::MAX));
                if !self.wins_the_roll(entry, reason) {
                    receipts[index] = Some(EntryReceipt { reason: Reason::Probability, ..receipt });
                    continue;
                }
                if !entry.ignore_budget {
                    overflowed = overflowed || used + cost > budget;
                    if overflowed {
                        receipts[index] = Some(EntryReceipt { reason: Reason::Budget, ..receipt });
                        continue;
                    }
                }
                used += cost;
                let place = self.place(entry);
                receipts[index] = Some(EntryReceipt { used: true, place, ..receipt });
                if entry.has_memory() && !matches!(reason, Reason::Sticky | Reason::KeptActive) {
                    state.0.insert(entry.id.clone(), self.conversation.count);
                }
                if self.book.recursive && !entry.prevent_recursion {
                    self.sources.push(Source::entry(index, &entry.content));
                }
            }
            if self.sources.len() == texts_before {
                break;
            }
            if round == self.settings.max_recursion {
                self.explain_last_round(texts_before, &receipts, &mut open_reasons);
            }
        }
        let receipt: Vec<_> = receipts
            .into_iter()
            .enumerate()
            .map(|(index, settled)| settled.unwrap_or_else(|| left_out(&entries[index], open_reasons[index])))
            .collect();
        let mut chosen: Vec<_> = receipt.iter().enumerate().filter(|(_, entry)| entry.used).collect();
        chosen.sort_by_key(|(index, _)| (entries[*index].order, *index));
        let chosen = chosen.into_iter().filter_map(|(index, receipt)| {
            let entry = &entries[index];
            Some(Chosen { id: entry.id.clone(), content: entry.content.clone(), place: receipt.place? })
        });
        Scanned { chosen: chosen.collect(), receipt, state, tokens: used }
    }

    /// Of entries that one more round would bring.
    fn explain_last_round(&self, begin: usize, receipts: &[Option<EntryReceipt>], reasons: &mut [Reason]) {
        for (index, entry) in self.book.entries.iter().enumerate().filter(|(index, _)| receipts[*index].is_none()) {
            if !entry.exclude_recursion && self.find(&entry.keys, entry, &self.sources[begin..]).is_some() {
                reasons[index] = Reason::MaxRecursion;
            }
        }
    }

    /// What is to be said of an entry in this round.
    fn look(&self, entry: &'a Entry, round: u32) -> Verdict<'a> {
        if let Some(verdict) = self.look_at_conditions(entry) {
            return verdict;
        }
        if entry.delay_until_recursion > round {
            return Verdict::NotYet(Reason::WaitsForRecursion);
        }
        let sources = &self.sources[..];
        if self.find(&entry.excluded, entry, sources).is_some() {
            return Verdict::Out(Reason::ExcludeKeys);
        }
        if entry.strict && entry.all_keys().any(Key::is_broken) {
            return Verdict::Out(Reason::KeyDoesNotCompile);
        }
        let additional = || entry.additional.iter().all(|keys| self.find(keys, entry, sources).is_some());
        if entry.constant {
            return if additional() {
                Verdict::Found { reason: Reason::Constant, hit: None }
            } else {
                Verdict::NotYet(Reason::AdditionalKeys)
            };
        }
        let Some(hit) = self.find(&entry.keys, entry, sources) else {
            return Verdict::NotYet(self.reason_of_none(entry));
        };
        if !self.agrees(entry, sources) {
            return Verdict::NotYet(Reason::SecondaryKeys);
        }
        if !additional() {
            return Verdict::NotYet(Reason::AdditionalKeys);
        }
        let reason = if matches!(hit.origin, Origin::Message(_)) { Reason::Key } else { Reason::KeyInEntry };
        Verdict::Found { reason, hit: Some(hit) }
    }

    /// What needs no key, or does without.
    fn look_at_conditions(&self, entry: &Entry) -> Option<Verdict<'a>> {
        let Conversation { count, replies, greeting, is_cut, .. } = self.conversation;
        let decorators = &entry.decorators;
        let was_used = self.before.0.get(&entry.id).copied();
        let found = |reason| Some(Verdict::Found { reason, hit: None });
        let out = |reason| Some(Verdict::Out(reason));
        if !entry.enabled {
            return out(Reason::Disabled);
        }
        if entry.content.trim().is_empty() {
            return out(Reason::NoContent);
        }
        if entry.place.is_none() {
            return out(Reason::NoPlace);
        }
        if decorators.activate {
            return found(Reason::Activated);
        }
        if decorators.dont_activate {
            return out(Reason::DontActivate);
        }
        if decorators.keep_activate_after_match && was_used.is_some() {
            return found(Reason::KeptActive);
        }
        if decorators.dont_activate_after_match && was_used.is_some() {
            return out(Reason::AlreadyActivated);
        }
        if decorators.ignore_on_max_context && is_cut {
            return out(Reason::ContextFull);
        }
        if decorators.activate_only_after.is_some_and(|after| replies < after) {
            return out(Reason::NotYet);
        }
        if decorators.activate_only_every.is_some_and(|every| replies % every != 0) {
            return out(Reason::NotThisTurn);
        }
        if decorators.is_greeting.is_some_and(|wanted| greeting.is_some_and(|active| active != wanted)) {
            return out(Reason::OtherGreeting);
        }
        if count < entry.delay {
            return out(Reason::Delay);
        }
        let since = was_used.map(|then| count.saturating_sub(then));
        if since.is_some_and(|since| since < entry.sticky) {
            return found(Reason::Sticky);
        }
        // The cooldown begins when the entry ends.
        if since.is_some_and(|since| since < entry.sticky.saturating_add(entry.cooldown)) {
            return out(Reason::Cooldown);
        }
        None
    }

    /// Why no key of an entry was found in what it may be found in.
    fn reason_of_none(&self, entry: &Entry) -> Reason {
        if self.work.is_spent() {
            return Reason::TooMuchToScan;
        }
        if !entry.keys.is_empty() && entry.keys.iter().all(Key::is_broken) {
            return Reason::KeyDoesNotCompile;
        }
        let within_entries = |source: &&Source<'_>| matches!(source.origin, Origin::Entry(_));
        let brought = || {
            let mut entries = self.sources.iter().filter(within_entries);
            entries.any(|source| self.first_key(&entry.keys, entry, source).is_some())
        };
        if entry.exclude_recursion && brought() { Reason::ExcludedFromRecursion } else { Reason::NoKey }
    }

    /// What the secondary keys say.
    fn agrees(&self, entry: &Entry, sources: &[Source<'_>]) -> bool {
        if entry.secondary.is_empty() {
            return true;
        }
        let is_there = |key: &Key| self.find(std::slice::from_ref(key), entry, sources).is_some();
        match entry.logic {
            Logic::AndAny => entry.secondary.iter().any(is_there),
            Logic::AndAll => entry.secondary.iter().all(is_there),
            Logic::NotAny => !entry.secondary.iter().any(is_there),
            Logic::NotAll => !entry.secondary.iter().all(is_there),
        }
    }

    /// The first of these keys that is in the newest of what the entry may be found in.
    fn find<'k>(&self, keys: &'k [Key], entry: &Entry, sources: &[Source<'_>]) -> Option<Hit<'k>> {
        if keys.is_empty() {
            return None;
        }
        let depth = entry.scan_depth.or(self.book.scan_depth).unwrap_or(self.settings.scan_depth);
        let within = sources.iter().filter(|source| match source.origin {
            Origin::Message(back) => back < depth,
            Origin::Entry(_) => !entry.exclude_recursion,
        });
        within.into_iter().find_map(|source| {
            let key = self.first_key(keys, entry, source)?;
            Some(Hit { key, origin: source.origin })
        })
    }

    fn first_key<'k>(&self, keys: &'k [Key], entry: &Entry, source: &Source<'_>) -> Option<&'k Key> {
        keys.iter().find(|key| {
            // A pattern may be tried at each place.
            let effort = if key.is_pattern() { 64 } else { 1 };
            self.work.spend((source.text().len() + 16) * effort) && key.is_in(source, entry.rules, self.macros)
        })
    }

    fn wins_the_roll(&self, entry: &Entry, reason: Reason) -> bool {
        if entry.probability >= 100 || matches!(reason, Reason::Sticky | Reason::KeptActive | Reason::Activated) {
            return true;
        }
        // Of its own, so that no other entry changes it.
        Rng::with_seed(seeded(&entry.id, self.settings.seed)).u32(0..100) < entry.probability
    }

    fn place(&self, entry: &Entry) -> Option<Place> {
        match (entry.place, entry.decorators.reverse_depth) {
            (Some(Place::Depth { depth: u32::MAX, role }), Some(from_first)) => {
                let messages = u32::try_from(self.conversation.messages.len()).unwrap_or(u32::MAX);
                Some(Place::Depth { depth: messages.saturating_sub(from_first), role })
            }
            (place, _) => place,
        }
    }
}

fn receipt(entry: &Entry, reason: Reason) -> EntryReceipt {
    EntryReceipt {
        id: entry.id.clone(),
        name: entry.name.clone(),
        used: false,
        reason,
        key: None,
        message: None,
        entry: None,
        place: None,
        tokens: None,
    }
}

fn left_out(entry: &Entry, reason: Reason) -> EntryReceipt {
    receipt(entry, reason)
}
