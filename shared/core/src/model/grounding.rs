//! Grounding: the passages behind a reply, kept with its request as a receipt.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::knowledge::SourceKind;
use crate::ids::PassageId;

/// The mode of a retrieval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// By keywords and by vectors.
    Hybrid,
    /// By keywords only: the embedder or the vector store was away, or too slow.
    Keyword,
    /// By vectors only.
    Vector,
    /// Nothing was found, or both searches failed.
    None,
}

impl Mode {
    /// The name in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hybrid => "hybrid",
            Self::Keyword => "keyword",
            Self::Vector => "vector",
            Self::None => "none",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The receipt of a reply. The passages were in the prompt; whether the model used them is unknown.
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
    /// The relevance: higher is better, and comparable only within one request.
    #[schema(example = 0.0325)]
    pub score: f32,
}
