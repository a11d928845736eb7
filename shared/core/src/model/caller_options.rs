//! What a program brings to a request over `/v1`, beside its message. Stored with the request.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Role;
use crate::ids::RequestId;

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
    /// Of a request that is a response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<ResponseSettings>,
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

/// What a response (`/v1/responses`) was asked for with, beside what goes to the model: it says it again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResponseSettings {
    /// The instructions of this response alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// Instructions among the input, which hold for the responses after it, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_instructions: Option<String>,
    /// The messages of the input before the question.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub input: Vec<InputItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<RequestId>,
    /// Whether its caller named the conversation that it is in; else the conversation was made for it.
    pub in_conversation: bool,
    pub background: bool,
    pub store: bool,
    pub truncation: Truncation,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub safety_identifier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_cache_key: Option<String>,
    /// The number of its last event, once somebody was told of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_sequence_number: Option<u32>,
}

/// A message of the input of a response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputItem {
    /// As its caller wrote it.
    pub role: String,
    pub content: String,
}

/// What becomes of a history that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Truncation {
    /// The oldest turns are left out.
    #[default]
    Auto,
    /// It is refused.
    Disabled,
}
