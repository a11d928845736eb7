//! A model server of one's own with the plainest of interfaces: `POST /chat` takes JSON and answers JSON, whole.
//!
//! There is no standard for it, so the reply is looked for under all the names that such servers give it. The first word comes
//! with the last: the time limit for the first one is that for all.

use async_trait::async_trait;
use futures::stream;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use secrecy::SecretString;
use serde::Serialize;
use serde_json::Value;
use troupe_core::model::{Role, providers::Outcome};

use super::{
    error_body,
    http::{self, Exchange, Service},
};
use crate::providers::{
    chat_model::{Call, ChatModel, Chunk, Chunks, Stop},
    failure::Failure,
};

/// Where a reply may be found, in an object.
const NAMES: [&str; 6] = ["response", "reply", "message", "text", "content", "output"];

pub(crate) struct JsonChatModel {
    service: Service,
    key: Option<SecretString>,
}

impl JsonChatModel {
    pub(crate) fn new(http: reqwest::Client, base: &str, key: Option<&SecretString>) -> Self {
        Self::over(http::exchange(http), base, key)
    }

    pub(super) fn over(exchange: Exchange, base: &str, key: Option<&SecretString>) -> Self {
        Self { service: Service::new(exchange, base), key: key.cloned() }
    }

    fn headers(&self) -> Result<HeaderMap, Failure> {
        let key = self.key.as_ref().map(|key| http::key_header("Bearer ", key)).transpose()?;
        Ok(key.map(|key| (AUTHORIZATION, key)).into_iter().collect())
    }
}

#[async_trait]
impl ChatModel for JsonChatModel {
    async fn stream(&self, call: Call<'_>) -> Result<Chunks, Failure> {
        let response = self.service.post("/chat", self.headers()?, &Request::of(&call)).await?;
        let unreadable = |_| Failure::new(Outcome::Malformed, "the service sent what is no JSON");
        let chunks = read(&serde_json::from_str(&http::whole(response).await?).map_err(unreadable)?)?;
        Ok(Box::pin(stream::iter(chunks.into_iter().map(Ok))))
    }

    async fn check(&self) -> Result<(), Failure> {
        let response = self.service.get("/health", self.headers()?).await?;
        // What is no JSON says nothing against the service.
        let said: Value = serde_json::from_str(&http::whole(response).await?).unwrap_or_default();
        if is_well(&said) { Ok(()) } else { Err(Failure::new(Outcome::Failed, "the service says that it is not well")) }
    }
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    message: &'a str,
    /// The persona, and what was said before.
    context: Vec<Turn<'a>>,
    temperature: f32,
    max_tokens: u32,
    /// The beginning of the reply, for a server that is said to go on with it.
    #[serde(skip_serializing_if = "str::is_empty")]
    prefix: &'a str,
}

#[derive(Serialize)]
struct Turn<'a> {
    role: &'static str,
    content: &'a str,
}

impl<'a> Request<'a> {
    fn of(call: &Call<'a>) -> Self {
        let earlier = call.prompt.messages.split_last().map_or(&[][..], |(_, earlier)| earlier);
        let earlier = earlier.iter().map(|message| {
            let role = if message.role == Role::User { "user" } else { "assistant" };
            Turn { role, content: &message.content }
        });
        let system = (!call.prompt.system.is_empty()).then_some(Turn { role: "system", content: &call.prompt.system });
        Self {
            model: call.model,
            message: call.prompt.question(),
            context: system.into_iter().chain(earlier).collect(),
            temperature: call.prompt.temperature,
            max_tokens: call.max_tokens,
            prefix: call.said,
        }
    }
}

fn read(said: &Value) -> Result<Vec<Chunk>, Failure> {
    if said.get("error").is_some_and(error_body::is_something) {
        return Err(error_body::reported(said));
    }
    let choice = said.pointer("/choices/0").unwrap_or(&Value::Null);
    let nothing = || Failure::new(Outcome::Malformed, "the service sent no reply under any of the usual names");
    let text = text(said).or_else(|| text(choice)).ok_or_else(nothing)?;
    let reason = [said, choice].iter().find_map(|place| {
        ["finish_reason", "stop_reason"].iter().find_map(|name| place.get(name)?.as_str().and_then(error_body::stop))
    });
    let text = (!text.is_empty()).then_some(Chunk::Text(text));
    let usage = said.get("usage").and_then(error_body::usage).map(Chunk::Usage);
    Ok(text.into_iter().chain(usage).chain([Chunk::End(reason.unwrap_or(Stop::Finished))]).collect())
}

/// The first text under one of the names, however deep it is wrapped.
fn text(said: &Value) -> Option<String> {
    match said {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => parts.iter().map(text).reduce(|whole, part| match (whole, part) {
            (Some(whole), Some(part)) => Some(whole + &part),
            (whole, part) => whole.or(part),
        })?,
        Value::Object(fields) => NAMES.iter().find_map(|name| text(fields.get(*name)?)),
        _ => None,
    }
}

fn is_well(said: &Value) -> bool {
    match said.get("status") {
        Some(Value::String(status)) => ["ok", "healthy", "up", "ready"].contains(&status.to_ascii_lowercase().as_str()),
        Some(Value::Bool(well)) => *well,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use troupe_core::model::Usage;

    use super::*;

    #[test]
    fn the_reply_is_found_under_any_name() {
        let text = Chunk::Text("The sea".to_owned());
        let whole = Ok([text.clone(), Chunk::End(Stop::Finished)].to_vec());
        for said in [
            json!("The sea"),
            json!({"response": "The sea", "model": "m"}),
            json!({"reply": "The sea", "error": null}),
            json!({"message": {"role": "assistant", "content": "The sea"}}),
            json!({"response": null, "output": [{"content": [{"text": "The "}, {"image": 1}, {"text": "sea"}]}], "error": ""}),
            json!({"choices": [{"message": {"content": "The sea"}, "finish_reason": "stop"}]}),
        ] {
            assert_eq!(read(&said).map_err(|failure| failure.message), whole, "{said}");
        }
        let said =
            json!({"text": "The sea", "stop_reason": "max_tokens", "usage": {"input_tokens": 9, "output_tokens": 2}});
        let usage = Chunk::Usage(Usage { prompt_tokens: 9, completion_tokens: 2, estimated: false });
        assert_eq!(read(&said).unwrap(), [text, usage, Chunk::End(Stop::Length)]);
    }

    #[test]
    fn what_is_no_reply_is_a_failure() {
        for (said, meant) in [
            (json!({}), Outcome::Malformed),
            (json!({"response": 7}), Outcome::Malformed),
            (json!([]), Outcome::Malformed),
            (json!({"error": "out of memory", "response": "The"}), Outcome::Failed),
            (json!({"error": {"code": "context_length_exceeded"}}), Outcome::TooLong),
        ] {
            assert_eq!(read(&said).unwrap_err().outcome, meant, "{said}");
        }
        assert_eq!(
            read(&json!({"reply": ""})).unwrap(),
            [Chunk::End(Stop::Finished)],
            "an empty one is the caller's to judge"
        );
    }

    #[test]
    fn a_server_says_that_it_is_well_or_says_nothing() {
        for said in [json!({"status": "OK"}), json!({"status": true}), json!({"gpu": 1}), json!("fine"), Value::Null] {
            assert!(is_well(&said), "{said}");
        }
        for said in [json!({"status": "loading"}), json!({"status": false})] {
            assert!(!is_well(&said), "{said}");
        }
    }
}
