//! What a program brings to a request over `/v1`, beside its message. Stored with the request.

use serde::{Deserialize, Serialize};

use super::Role;

/// Beside the message. With it the reply's text is never taken back: the protocols of `/v1` cannot say so.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallerOptions {
    /// Instructions beside the persona's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// The turns before the message, the oldest first, instead of those of its conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<Vec<CallerTurn>>,
    pub sampling: Sampling,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallerTurn {
    pub role: Role,
    pub content: String,
}

/// How the model is to choose its words; what is not set is the persona's, or the service's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sampling {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// The reply ends before any of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// At most as many as the server allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
}
