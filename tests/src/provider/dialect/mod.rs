//! How services speak: the same script in each wire format, errors included.

mod anthropic;
mod json;
mod openai;

use std::collections::VecDeque;

use axum::http::{HeaderMap, header};
use serde_json::Value;

use super::{Fault, Script, perform::Act};

/// A wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `POST /v1/chat/completions`, answered with events.
    OpenAi,
    /// `POST /v1/messages`, answered with events.
    Anthropic,
    /// `POST /chat`, answered whole.
    Json,
}

impl Dialect {
    pub const ALL: [Self; 3] = [Self::OpenAi, Self::Anthropic, Self::Json];

    pub(super) fn path(self) -> &'static str {
        match self {
            Self::OpenAi => "/v1/chat/completions",
            Self::Anthropic => "/v1/messages",
            Self::Json => "/chat",
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        if self == Self::Json { "application/json" } else { "text/event-stream" }
    }

    /// All that is written for a script, the end included.
    pub(super) fn acts(self, script: &Script, asked: &Value) -> VecDeque<Act> {
        match self {
            Self::OpenAi => openai::acts(script, asked["stream_options"]["include_usage"] == true),
            Self::Anthropic => anthropic::acts(script),
            Self::Json => json::acts(script),
        }
    }

    /// The status and the words for a fault.
    pub(super) fn fault(self, fault: Fault) -> (u16, Value) {
        match self {
            Self::OpenAi => openai::fault(fault),
            Self::Anthropic => anthropic::fault(fault),
            Self::Json => json::fault(fault),
        }
    }

    /// The key that was sent.
    pub(super) fn key(self, headers: &HeaderMap) -> Option<String> {
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let key = match self {
            Self::Anthropic => header("x-api-key"),
            _ => header(header::AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer ")),
        };
        key.map(str::to_owned)
    }

    /// What the prompt says, as (role, content).
    pub(super) fn messages(self, asked: &Value) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let turns = if self == Self::Json { &asked["context"] } else { &asked["messages"] };
        let turns = turns.as_array().into_iter().flatten();
        let turns = turns.map(|turn| (text(&turn["role"]), text(&turn["content"])));
        let apart = |role: &str, field: &str| asked.get(field).map(|said| (role.to_owned(), text(said)));
        apart("system", "system").into_iter().chain(turns).chain(apart("user", "message")).collect()
    }
}
