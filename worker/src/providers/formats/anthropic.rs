//! Anthropic's messages, streamed.
//!
//! The system prompt stands apart there, turns must alternate and begin with the user's, and a reply that another service
//! began is continued by giving its beginning as the last turn.

use std::{iter::Peekable, ops::ControlFlow, vec};

use async_trait::async_trait;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use troupe_core::model::{Role, Usage};

use super::{
    error_body,
    http::{self, Exchange, Service},
    lenient_json::{Words, or_default},
    sse::{Event, events},
    stream::{Listener, tell},
};
use crate::providers::{
    chat_model::{Call, ChatModel, Chunk, Chunks, Stop},
    failure::Failure,
    prompt::Prompt,
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
        Ok(tell(events(response), Reply::after(call.said)))
    }

    async fn check(&self) -> Result<(), Failure> {
        self.service.get("/v1/models", self.headers()?).await.map(drop)
    }
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    max_tokens: u32,
    temperature: f32,
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
        Self {
            model: call.model,
            max_tokens: call.max_tokens,
            // It goes to 2 with the others.
            temperature: call.prompt.temperature.min(1.0),
            system: &call.prompt.system,
            messages: turns(call.prompt, call.said),
            stream: true,
        }
    }
}

/// The conversation in turns that alternate, from the user's first to the question, and the beginning of the reply if there is
/// one. What is blank is refused, and so is white space at the end.
fn turns(prompt: &Prompt, said: &str) -> Vec<Turn> {
    let earlier = prompt.messages.iter().map(|message| match message.role {
        Role::User => ("user", message.content.as_str()),
        Role::Assistant => ("assistant", message.content.as_str()),
    });
    let mut turns: Vec<Turn> = Vec::new();
    for (role, content) in earlier.chain([("assistant", said.trim_end())]) {
        match turns.last_mut() {
            _ if content.trim().is_empty() => {}
            Some(last) if last.role == role => {
                last.content.push_str("\n\n");
                last.content.push_str(content);
            }
            None if role == "assistant" => {}
            _ => turns.push(Turn { role, content: content.to_owned() }),
        }
    }
    turns
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Said {
    #[serde(rename = "type")]
    kind: Words,
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
    kind: Words,
    text: Words,
    stop_reason: Words,
}

/// What was said of a reply so far.
struct Reply {
    seam: Seam,
    usage: Usage,
    spoke: bool,
    stop: Option<Stop>,
}

impl Reply {
    fn after(said: &str) -> Self {
        Self { seam: Seam::after(said), usage: Usage::default(), spoke: false, stop: None }
    }

    fn text(&mut self, part: Part, kind: &str) -> Option<Chunk> {
        let text = if part.kind.0 == kind { self.seam.join(part.text.0) } else { String::new() };
        self.spoke |= !text.is_empty();
        (!text.is_empty()).then_some(Chunk::Text(text))
    }

    /// What is counted is told at the beginning for the prompt, and at the end for the reply.
    fn count(&mut self, said: &Value) -> Option<Chunk> {
        let new = error_body::usage(said)?;
        let old = self.usage;
        self.usage = Usage {
            prompt_tokens: old.prompt_tokens.max(new.prompt_tokens),
            completion_tokens: old.completion_tokens.max(new.completion_tokens),
            estimated: false,
        };
        Some(Chunk::Usage(self.usage))
    }
}

impl Listener for Reply {
    type Heard = Event;

    fn hear(&mut self, event: Event, told: &mut Vec<Chunk>) -> Result<ControlFlow<()>, Failure> {
        let said: Said = event.read()?;
        let kind = if said.kind.0.is_empty() { &event.name } else { &said.kind.0 };
        match kind.as_str() {
            "message_start" => told.extend(self.count(&said.message.usage)),
            "content_block_start" => told.extend(self.text(said.content_block, "text")),
            // Others are of what it thinks, and of tools.
            "content_block_delta" => told.extend(self.text(said.delta, "text_delta")),
            "message_delta" => {
                told.extend(self.count(&said.usage));
                self.stop = error_body::stop(&said.delta.stop_reason.0).or(self.stop);
            }
            "message_stop" => {
                self.stop = self.stop.or(Some(Stop::Finished));
                return Ok(ControlFlow::Break(()));
            }
            "error" => return Err(error_body::reported(&event.read()?)),
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    }

    fn stop(&self) -> Option<Stop> {
        // A refusal without a word is what others call filtered: there is nothing to show of it.
        self.stop.map(|stop| if stop == Stop::Refused && !self.spoke { Stop::Filtered } else { stop })
    }
}

/// Where a reply goes on that another service began. The white space at the end of its beginning was shown, but not sent; so
/// what comes may begin with it, and is told without.
struct Seam {
    shown: Peekable<vec::IntoIter<char>>,
}

impl Seam {
    fn after(said: &str) -> Self {
        let shown: Vec<char> = said[said.trim_end().len()..].chars().collect();
        Self { shown: shown.into_iter().peekable() }
    }

    fn join(&mut self, text: String) -> String {
        let blank = |c: char| matches!(c, ' ' | '\t');
        let mut rest = text.as_str();
        while let (Some(&shown), Some(next)) = (self.shown.peek(), rest.chars().next()) {
            if shown != next && !blank(next) {
                // Only a blank may be left out unseen; anything else stands, and all of the rest comes after it.
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
        let said = |role, content: &str| PromptMessage { role, content: content.to_owned() };
        let turn = |role, content: &str| Turn { role, content: content.to_owned() };
        let messages = vec![
            said(Role::Assistant, "Welcome."),
            said(Role::User, "Hello."),
            said(Role::User, "Are you there?"),
            said(Role::Assistant, " \n"),
            said(Role::User, "What is the sea?"),
        ];
        let prompt = Prompt { messages, ..Prompt::asking("") };
        assert_eq!(turns(&prompt, ""), [turn("user", "Hello.\n\nAre you there?\n\nWhat is the sea?")]);
        assert_eq!(turns(&prompt, "It is\n \t").last(), Some(&turn("assistant", "It is")));
        assert_eq!(turns(&prompt, " \n").len(), 1);
    }

    #[test]
    fn a_reply_that_goes_on_reads_as_one() {
        let whole = |said: &str, parts: &[&str]| {
            let mut seam = Seam::after(said);
            let rest: String = parts.iter().map(|part| seam.join((*part).to_owned())).collect();
            format!("{said}{rest}")
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
