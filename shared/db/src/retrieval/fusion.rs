//! Ranking: reciprocal rank fusion of two searches, weights, and a choice of passages without near-duplicates.
//!
//! Ranks are fused and not scores, because the searches' scores are not comparable. Pure functions.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use troupe_core::{
    config::Retrieval as Settings, ids::PassageId, model::knowledge::SourceKind, token_estimate::estimate_tokens,
};

use super::NearPassage;
use crate::knowledge::passages::Passage;

/// The constant k of reciprocal rank fusion, as in the paper that proposed it: the greater, the flatter.
const RANK_OFFSET: f32 = 60.0;
/// Two passages that share this part of the shorter one's shingles are near-duplicates.
const DUPLICATE_SHARE: f64 = 0.7;
const SHINGLE_WORDS: usize = 3;

/// The ranks of a passage in both searches, counted from 1.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Ranks {
    pub keyword: Option<u32>,
    pub vector: Option<u32>,
    /// The cosine.
    pub similarity: Option<f32>,
}

/// A passage and its fused score.
#[derive(Debug, Clone)]
pub struct Ranked {
    pub passage: Passage,
    pub score: f32,
    pub ranks: Ranks,
}

/// The union of both results, the best first.
pub(super) fn fuse(
    keyword: Vec<Passage>,
    vector: Vec<NearPassage>,
    settings: &Settings,
    now: DateTime<Utc>,
) -> Vec<Ranked> {
    let mut found: HashMap<PassageId, (Passage, Ranks)> = HashMap::new();
    for (rank, passage) in (1..).zip(keyword) {
        found.entry(passage.id).or_insert((passage, Ranks::default())).1.keyword = Some(rank);
    }
    for (rank, NearPassage { passage, score }) in (1..).zip(vector) {
        let ranks = &mut found.entry(passage.id).or_insert((passage, Ranks::default())).1;
        ranks.vector = Some(rank);
        ranks.similarity = Some(score);
    }
    let ranked = found.into_values().map(|(passage, ranks)| {
        let score = fused(ranks, settings.vector_weight) * weight(&passage, settings, now);
        Ranked { passage, score, ranks }
    });
    let mut ranked: Vec<_> = ranked.collect();
    // Of equal scores the better keyword rank goes first, the surer sign. Ids only make the order deterministic.
    let by_words = |ranked: &Ranked| ranked.ranks.keyword.unwrap_or(u32::MAX);
    let order = |ranked: &Ranked| (by_words(ranked), ranked.passage.id);
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| order(a).cmp(&order(b))));
    ranked
}

fn fused(ranks: Ranks, vector_weight: f32) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "ranks are small")]
    let share = |rank: Option<u32>| rank.map_or(0.0, |rank| 1.0 / (RANK_OFFSET + rank as f32));
    share(ranks.keyword) + vector_weight * share(ranks.vector)
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

/// The best passages without near-duplicates, within the maximum and the token budget.
pub(super) fn choose(ranked: Vec<Ranked>, max_passages: usize, settings: &Settings) -> Vec<Ranked> {
    let mut left = settings.max_tokens;
    let mut seen = Vec::new();
    let mut chosen = Vec::new();
    for candidate in ranked {
        if chosen.len() == max_passages {
            break;
        }
        let tokens = estimate_tokens(&candidate.passage.content);
        let shingles = shingles(&candidate.passage.content);
        if tokens > left || seen.iter().any(|other| are_duplicates(&shingles, other)) {
            continue;
        }
        left -= tokens;
        seen.push(shingles);
        chosen.push(candidate);
    }
    chosen
}

/// All runs of three words of a text; a shorter text as a whole.
fn shingles(text: &str) -> HashSet<Vec<String>> {
    let lower = text.to_lowercase();
    let words: Vec<_> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let owned = |run: &[&str]| run.iter().map(|word| (*word).to_owned()).collect();
    if words.len() < SHINGLE_WORDS {
        HashSet::from([owned(&words)])
    } else {
        words.windows(SHINGLE_WORDS).map(owned).collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a passage has few words")]
fn are_duplicates(one: &HashSet<Vec<String>>, other: &HashSet<Vec<String>>) -> bool {
    one.intersection(other).count() as f64 >= DUPLICATE_SHARE * one.len().min(other.len()) as f64
}

#[cfg(test)]
mod tests;
