//! Grounding: what a reply drew on, kept with its request as a receipt.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::knowledge::SourceKind;
use crate::ids::PassageId;

/// How passages were looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// By words and by meaning.
    Hybrid,
    /// By words alone: the embedder or the vector store was away, or too slow.
    Keyword,
    /// By meaning alone.
    Vector,
    /// Nothing was found, or nobody could look.
    None,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// What a reply drew on. The passages were told to the model; whether it used them is another matter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Grounding {
    pub mode: Mode,
    /// The best first.
    pub sources: Vec<Source>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Source {
    pub passage_id: PassageId,
    pub source_kind: SourceKind,
    /// The response or document.
    pub source_id: Uuid,
    /// How well it fits: more is better, and comparable only within one request.
    #[schema(example = 0.0325)]
    pub score: f32,
}
