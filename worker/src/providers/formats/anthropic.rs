//! Anthropic's messages, streamed.
//!
//! The system prompt is a field of its own there, turns must alternate and begin with the user's, and a prefill is sent
//! as the last turn.

use std::{iter::Peekable, ops::ControlFlow, vec};

use async_trait::async_trait;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use troupe_core::model::{Usage, caller_options::Sampling};

use super::{
    error_body,
    http::{self, Exchange, Service},
    lenient_json::{LenientText, or_default},
    sse::{Event, events},
    stream::{StreamDecoder, decoded},
};
use crate::providers::{
    chat_model::{Call, ChatModel, Chunk, Chunks, FinishReason},
    failure::Failure,
    prompt::{Prompt, Speaker},
};

const VERSION: (HeaderName, HeaderValue) =
    (HeaderName::from_static("anthropic-version"), HeaderValue::from_static("2023-06-01"));

pub(crate) struct AnthropicChatModel {
    service: Service,
    key: Option<SecretString>,
}

impl AnthropicChatModel {
    pub(crate) fn new(http: reqwest::Client, base: &str, key: Option<&SecretString>) -> Self {
        Self::over(http::exchange(http), base, key)
    }

    pub(super) fn over(exchange: Exchange, base: &str, key: Option<&SecretString>) -> Self {
        let base = base.trim_end_matches('/');
        let service = Service::new(exchange, base.strip_suffix("/v1").unwrap_or(base));
        Self { service, key: key.cloned() }
    }

    fn headers(&self) -> Result<HeaderMap, Failure> {
        let mut headers = HeaderMap::from_iter([VERSION]);
        if let Some(key) = &self.key {
            headers.insert("x-api-key", http::key_header("", key)?);
        }
        Ok(headers)
    }
}

#[async_trait]
impl ChatModel for AnthropicChatModel {
    async fn stream(&self, call: Call<'_>) -> Result<Chunks, Failure> {
        let response = self.service.post("/v1/messages", self.headers()?, &Request::of(&call)).await?;
        Ok(decoded(events(response), Decoder::after(call.prefill)))
    }

    async fn check(&self) -> Result<(), Failure> {
        self.service.get("/v1/models", self.headers()?).await.map(drop)
    }
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    max_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f32>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "str::is_empty")]
    system: &'a str,
    messages: Vec<Turn>,
    stream: bool,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Turn {
    role: &'static str,
    content: String,
}

impl<'a> Request<'a> {
    fn of(call: &Call<'a>) -> Self {
        let Sampling { temperature: asked, top_p, ref stop, .. } = call.prompt.sampling;
        Self {
            model: call.model,
            max_tokens: call.max_tokens,
            // Its range ends at 1, that of the others at 2. Newer models take one of the two.
            temperature: (top_p.is_none() || asked.is_some()).then(|| call.prompt.temperature.min(1.0)),
            // It knows neither penalties nor a seed.
            top_p,
            stop_sequences: stop,
            system: &call.prompt.system,
            messages: turns(call.prompt, call.prefill),
            stream: true,
        }
    }
}

/// Stands before a greeting: the service wants the user to begin.
const OPENING: &str = "(You begin the conversation.)";

/// The conversation in alternating turns, from the user's first to the question, and the prefill if there is one. The
/// service rejects blank turns, and white space at the end of the prefill. It knows no instructions in the midst: they
/// are the user's.
fn turns(prompt: &Prompt, prefill: &str) -> Vec<Turn> {
    let earlier = prompt.messages.iter().chain(&prompt.tail).map(|message| match message.role {
        Speaker::User | Speaker::System => ("user", message.content.as_str()),
        Speaker::Assistant => ("assistant", message.content.as_str()),
    });
    let mut turns: Vec<Turn> = Vec::new();
    for (role, content) in earlier.chain([("assistant", prefill.trim_end())]) {
        match turns.last_mut() {
            _ if content.trim().is_empty() => {}
            Some(last) if last.role == role => {
                last.content.push_str("\n\n");
                last.content.push_str(content);
            }
            None if role == "assistant" => {
                turns.push(Turn { role: "user", content: OPENING.to_owned() });
                turns.push(Turn { role, content: content.to_owned() });
            }
            _ => turns.push(Turn { role, content: content.to_owned() }),
        }
    }
    turns
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StreamEvent {
    #[serde(rename = "type")]
    kind: LenientText,
    #[serde(deserialize_with = "or_default")]
    message: Message,
    #[serde(deserialize_with = "or_default")]
    content_block: Part,
    #[serde(deserialize_with = "or_default")]
    delta: Part,
    usage: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Message {
    usage: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Part {
    #[serde(rename = "type")]
    kind: LenientText,
    text: LenientText,
    stop_reason: LenientText,
}

/// The state of a reply so far.
struct Decoder {
    seam: Seam,
    usage: Usage,
    has_text: bool,
    finish_reason: Option<FinishReason>,
}

impl Decoder {
    fn after(prefill: &str) -> Self {
        Self { seam: Seam::after(prefill), usage: Usage::default(), has_text: false, finish_reason: None }
    }

    fn text(&mut self, part: Part, kind: &str) -> Option<Chunk> {
        let text = if part.kind.0 == kind { self.seam.join(part.text.0) } else { String::new() };
        self.has_text |= !text.is_empty();
        (!text.is_empty()).then_some(Chunk::Text(text))
    }

    /// The counts: of the prompt at the beginning, of the reply at the end.
    fn usage(&mut self, counts: &Value) -> Option<Chunk> {
        let new = error_body::usage(counts)?;
        let old = self.usage;
        self.usage = Usage {
            prompt_tokens: old.prompt_tokens.max(new.prompt_tokens),
            completion_tokens: old.completion_tokens.max(new.completion_tokens),
            estimated: false,
        };
        Some(Chunk::Usage(self.usage))
    }
}

impl StreamDecoder for Decoder {
    type Event = Event;

    fn decode(&mut self, event: Event, chunks: &mut Vec<Chunk>) -> Result<ControlFlow<()>, Failure> {
        let data: StreamEvent = event.parse()?;
        let kind = if data.kind.0.is_empty() { &event.name } else { &data.kind.0 };
        match kind.as_str() {
            "message_start" => chunks.extend(self.usage(&data.message.usage)),
            "content_block_start" => chunks.extend(self.text(data.content_block, "text")),
            // Other deltas are thinking and tools.
            "content_block_delta" => chunks.extend(self.text(data.delta, "text_delta")),
            "message_delta" => {
                chunks.extend(self.usage(&data.usage));
                self.finish_reason = error_body::finish_reason(&data.delta.stop_reason.0).or(self.finish_reason);
            }
            "message_stop" => {
                self.finish_reason = self.finish_reason.or(Some(FinishReason::Stop));
                return Ok(ControlFlow::Break(()));
            }
            "error" => return Err(error_body::stream_error(&event.parse()?)),
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    }

    fn finish_reason(&self) -> Option<FinishReason> {
        // A refusal without text is treated as filtered: there is nothing to show.
        let filtered = |reason| reason == FinishReason::Refusal && !self.has_text;
        self.finish_reason.map(|reason| if filtered(reason) { FinishReason::ContentFilter } else { reason })
    }
}

/// The seam between a prefill and its continuation. The white space at the end of the prefill was shown, but not sent;
/// so the continuation may begin with it, and is joined without.
struct Seam {
    shown: Peekable<vec::IntoIter<char>>,
}

impl Seam {
    fn after(prefill: &str) -> Self {
        let shown: Vec<char> = prefill[prefill.trim_end().len()..].chars().collect();
        Self { shown: shown.into_iter().peekable() }
    }

    fn join(&mut self, text: String) -> String {
        let blank = |c: char| matches!(c, ' ' | '\t');
        let mut rest = text.as_str();
        while let (Some(&shown), Some(next)) = (self.shown.peek(), rest.chars().next()) {
            if shown != next && !blank(next) {
                // Only white space may be dropped; anything else is kept, with the rest after it.
                if !blank(shown) {
                    self.shown = Vec::new().into_iter().peekable();
                    break;
                }
                self.shown.next();
                continue;
            }
            if shown == next {
                self.shown.next();
            }
            rest = &rest[next.len_utf8()..];
        }
        if rest.len() == text.len() { text } else { rest.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::prompt::PromptMessage;

    #[test]
    fn turns_alternate_and_begin_with_the_user() {
        let message = |role, content: &str| PromptMessage { role, content: content.to_owned() };
        let turn = |role, content: &str| Turn { role, content: content.to_owned() };
        let messages = vec![
            message(Speaker::Assistant, "Welcome."),
            message(Speaker::User, "Hello."),
            message(Speaker::User, "Are you there?"),
            message(Speaker::Assistant, " \n"),
            message(Speaker::User, "What is the sea?"),
        ];
        let prompt = Prompt { messages, ..Prompt::asking("") };
        let said = "Hello.\n\nAre you there?\n\nWhat is the sea?";
        assert_eq!(turns(&prompt, ""), [turn("user", OPENING), turn("assistant", "Welcome."), turn("user", said)]);
        assert_eq!(turns(&prompt, "It is\n \t").last(), Some(&turn("assistant", "It is")));
        assert_eq!(turns(&prompt, " \n").len(), 3);
    }

    #[test]
    fn a_reply_that_goes_on_reads_as_one() {
        let whole = |prefill: &str, parts: &[&str]| {
            let mut seam = Seam::after(prefill);
            let rest: String = parts.iter().map(|part| seam.join((*part).to_owned())).collect();
            format!("{prefill}{rest}")
        };
        assert_eq!(whole("The sea", &[" is", " wide"]), "The sea is wide");
        assert_eq!(whole("The sea ", &[" is", " wide"]), "The sea is wide");
        assert_eq!(whole("The sea ", &[" ", " is"]), "The sea  is");
        assert_eq!(whole("The sea ", &["is"]), "The sea is");
        assert_eq!(whole("The sea.\n\n", &["\n", "\n", "  - wide"]), "The sea.\n\n  - wide");
        assert_eq!(whole("The sea.\n\n", &[" Wide."]), "The sea.\n\nWide.");
        assert_eq!(whole("The sea. ", &["\n\nWide."]), "The sea. \n\nWide.");
        assert_eq!(whole("The sea. \n\n", &["\n", "\nWide."]), "The sea. \n\nWide.");
        assert_eq!(whole("The sea.\n", &["\t", "Wide."]), "The sea.\nWide.");
    }
}
