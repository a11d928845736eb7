//! Retrieval of passages: search, ranking and selection.

use std::time::Duration;

use serde::Deserialize;

use super::{duration, duration_or_forever};

#[derive(Debug, Clone, Deserialize)]
pub struct Retrieval {
    pub passages: usize,
    pub max_tokens: usize,
    pub candidates: i64,
    #[serde(deserialize_with = "duration")]
    pub timeout: Duration,
    pub min_similarity: f32,
    /// `None`: no decay by age.
    #[serde(deserialize_with = "duration_or_forever")]
    pub half_life: Option<Duration>,
    pub response_weight: f32,
    pub document_weight: f32,
    pub vector_weight: f32,
}

impl Retrieval {
    /// Validates each setting.
    pub(super) fn check(&self, rule: &mut impl FnMut(bool, &str, &str)) {
        rule((1..=50).contains(&self.passages), "retrieval.passages", "must be 1 to 50");
        rule((1..=200).contains(&self.candidates), "retrieval.candidates", "must be 1 to 200");
        rule((50..=100_000).contains(&self.max_tokens), "retrieval.max_tokens", "must be 50 to 100000");
        rule(!self.timeout.is_zero(), "retrieval.timeout", "must be longer than nothing");
        rule((-1.0..=1.0).contains(&self.min_similarity), "retrieval.min_similarity", "must be -1 to 1");
        rule(
            self.half_life.is_none_or(|half_life| !half_life.is_zero()),
            "retrieval.half_life",
            "must be longer than nothing",
        );
        for (setting, weight) in [
            ("retrieval.response_weight", self.response_weight),
            ("retrieval.document_weight", self.document_weight),
            ("retrieval.vector_weight", self.vector_weight),
        ] {
            rule((0.01..=100.0).contains(&weight), setting, "must be 0.01 to 100");
        }
    }
}
