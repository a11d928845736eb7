//! From what two searches found to what is told: reciprocal rank fusion, weights, and a choice of passages that differ.
//!
//! Ranks are fused and not scores, because the searches' scores have nothing in common. Pure functions.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use troupe_core::{
    config::Retrieval as Settings, estimate::estimate_tokens, ids::PassageId, model::knowledge::SourceKind,
};

use super::NearPassage;
use crate::knowledge::passages::Passage;

/// The greater, the less the first ranks stand out. As in the paper that proposed it.
const RANK_OFFSET: f32 = 60.0;
/// Of the runs of words of the shorter one: two passages that share so many say the same.
const SAME: f64 = 0.7;
const RUN: usize = 3;

/// Where the searches found a passage, counted from 1.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Places {
    pub keyword: Option<u32>,
    pub vector: Option<u32>,
    /// The cosine.
    pub similarity: Option<f32>,
}

/// A passage, and how well it fits.
#[derive(Debug, Clone)]
pub struct Ranked {
    pub passage: Passage,
    pub score: f32,
    pub places: Places,
}

/// What either search found, the best first.
pub(super) fn fuse(
    keyword: Vec<Passage>,
    vector: Vec<NearPassage>,
    settings: &Settings,
    now: DateTime<Utc>,
) -> Vec<Ranked> {
    let mut found: HashMap<PassageId, (Passage, Places)> = HashMap::new();
    for (rank, passage) in (1..).zip(keyword) {
        found.entry(passage.id).or_insert((passage, Places::default())).1.keyword = Some(rank);
    }
    for (rank, NearPassage { passage, score }) in (1..).zip(vector) {
        let places = &mut found.entry(passage.id).or_insert((passage, Places::default())).1;
        (places.vector, places.similarity) = (Some(rank), Some(score));
    }
    let ranked = found.into_values().map(|(passage, places)| {
        let score = fused(places) * weight(&passage, settings, now);
        Ranked { passage, score, places }
    });
    let mut ranked: Vec<_> = ranked.collect();
    // Of two that are as good, whose words are there: that is the surer sign. Ids have an order, but none that says
    // anything.
    let by_words = |ranked: &Ranked| ranked.places.keyword.unwrap_or(u32::MAX);
    let order = |ranked: &Ranked| (by_words(ranked), ranked.passage.id);
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| order(a).cmp(&order(b))));
    ranked
}

fn fused(places: Places) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "ranks are small")]
    let share = |rank: Option<u32>| rank.map_or(0.0, |rank| 1.0 / (RANK_OFFSET + rank as f32));
    share(places.keyword) + share(places.vector)
}

fn weight(passage: &Passage, settings: &Settings, now: DateTime<Utc>) -> f32 {
    let kind = match passage.source_kind {
        SourceKind::Response => settings.response_weight,
        SourceKind::Document => settings.document_weight,
    };
    let age = (now - passage.created_at).to_std().unwrap_or_default();
    let halvings = settings.half_life.map_or(0.0, |half_life| age.as_secs_f32() / half_life.as_secs_f32());
    kind * (-halvings).exp2()
}

/// The best that differ, as many as are wanted and as far as the tokens reach.
pub(super) fn choose(ranked: Vec<Ranked>, most: usize, settings: &Settings) -> Vec<Ranked> {
    let (mut left, mut told, mut chosen) = (settings.max_tokens, Vec::new(), Vec::new());
    for candidate in ranked {
        if chosen.len() == most {
            break;
        }
        let (tokens, runs) = (estimate_tokens(&candidate.passage.content), runs(&candidate.passage.content));
        if tokens > left || told.iter().any(|other| same(&runs, other)) {
            continue;
        }
        left -= tokens;
        told.push(runs);
        chosen.push(candidate);
    }
    chosen
}

/// All runs of three words of a text; of a shorter one, itself.
fn runs(text: &str) -> HashSet<Vec<String>> {
    let lower = text.to_lowercase();
    let words: Vec<_> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let owned = |run: &[&str]| run.iter().map(|word| (*word).to_owned()).collect();
    if words.len() < RUN { HashSet::from([owned(&words)]) } else { words.windows(RUN).map(owned).collect() }
}

#[expect(clippy::cast_precision_loss, reason = "a passage has few words")]
fn same(one: &HashSet<Vec<String>>, other: &HashSet<Vec<String>>) -> bool {
    one.intersection(other).count() as f64 >= SAME * one.len().min(other.len()) as f64
}

#[cfg(test)]
mod tests;
