//! A private model server with a minimal interface: `POST /chat` with JSON, unstreamed.
//!
//! There is no standard for it, so the reply is looked for in all the fields that such servers use. The first token
//! comes with the last, so the timeout for the first one is that for all.

use async_trait::async_trait;
use futures::stream;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use secrecy::SecretString;
use serde::Serialize;
use serde_json::Value;
use troupe_core::model::providers::Outcome;

use super::{
    error_body,
    http::{self, Exchange, Service},
};
use crate::providers::{
    chat_model::{Call, ChatModel, Chunk, Chunks, FinishReason},
    failure::Failure,
};

/// Fields that may hold the reply.
const REPLY_FIELDS: [&str; 6] = ["response", "reply", "message", "text", "content", "output"];

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
        let chunks = chunks(&serde_json::from_str(&http::read_body(response).await?).map_err(unreadable)?)?;
        Ok(Box::pin(stream::iter(chunks.into_iter().map(Ok))))
    }

    async fn check(&self) -> Result<(), Failure> {
        let response = self.service.get("/health", self.headers()?).await?;
        // Any response is a healthy one, JSON or not.
        let status: Value = serde_json::from_str(&http::read_body(response).await?).unwrap_or_default();
        if is_healthy(&status) {
            Ok(())
        } else {
            Err(Failure::new(Outcome::Failed, "the service says that it is not well"))
        }
    }
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    message: &'a str,
    /// The system prompt and the earlier turns.
    context: Vec<Turn<'a>>,
    temperature: f32,
    max_tokens: u32,
    /// The prefill, for servers that are configured to accept one.
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
        let earlier = earlier.iter().chain(&call.prompt.tail);
        let earlier = earlier.map(|message| Turn { role: message.role.name(), content: &message.content });
        let system = (!call.prompt.system.is_empty()).then_some(Turn { role: "system", content: &call.prompt.system });
        Self {
            model: call.model,
            message: call.prompt.question(),
            context: system.into_iter().chain(earlier).collect(),
            temperature: call.prompt.temperature,
            max_tokens: call.max_tokens,
            prefix: call.prefill,
        }
    }
}

fn chunks(answer: &Value) -> Result<Vec<Chunk>, Failure> {
    if answer.get("error").is_some_and(error_body::is_error) {
        return Err(error_body::stream_error(answer));
    }
    let choice = answer.pointer("/choices/0").unwrap_or(&Value::Null);
    let nothing = || Failure::new(Outcome::Malformed, "the service sent no reply under any of the usual names");
    let text = text(answer).or_else(|| text(choice)).ok_or_else(nothing)?;
    let reason = [answer, choice].iter().find_map(|object| {
        let reason = |name: &&str| object.get(*name)?.as_str().and_then(error_body::finish_reason);
        ["finish_reason", "stop_reason"].iter().find_map(reason)
    });
    let text = (!text.is_empty()).then_some(Chunk::Text(text));
    let usage = answer.get("usage").and_then(error_body::usage).map(Chunk::Usage);
    Ok(text.into_iter().chain(usage).chain([Chunk::End(reason.unwrap_or(FinishReason::Stop))]).collect())
}

/// The first text in one of the fields, however deeply nested.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => parts.iter().map(text).reduce(|whole, part| match (whole, part) {
            (Some(whole), Some(part)) => Some(whole + &part),
            (whole, part) => whole.or(part),
        })?,
        Value::Object(fields) => REPLY_FIELDS.iter().find_map(|name| text(fields.get(*name)?)),
        _ => None,
    }
}

fn is_healthy(answer: &Value) -> bool {
    match answer.get("status") {
        Some(Value::String(status)) => ["ok", "healthy", "up", "ready"].contains(&status.to_ascii_lowercase().as_str()),
        Some(Value::Bool(healthy)) => *healthy,
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
        let whole = Ok([text.clone(), Chunk::End(FinishReason::Stop)].to_vec());
        for answer in [
            json!("The sea"),
            json!({"response": "The sea", "model": "m"}),
            json!({"reply": "The sea", "error": null}),
            json!({"message": {"role": "assistant", "content": "The sea"}}),
            json!({"response": null, "output": [{"content": [{"text": "The "}, {"image": 1}, {"text": "sea"}]}], "error": ""}),
            json!({"choices": [{"message": {"content": "The sea"}, "finish_reason": "stop"}]}),
        ] {
            assert_eq!(chunks(&answer).map_err(|failure| failure.message), whole, "{answer}");
        }
        let answer =
            json!({"text": "The sea", "stop_reason": "max_tokens", "usage": {"input_tokens": 9, "output_tokens": 2}});
        let usage = Chunk::Usage(Usage { prompt_tokens: 9, completion_tokens: 2, estimated: false });
        assert_eq!(chunks(&answer).unwrap(), [text, usage, Chunk::End(FinishReason::Length)]);
    }

    #[test]
    fn what_is_no_reply_is_a_failure() {
        for (answer, outcome) in [
            (json!({}), Outcome::Malformed),
            (json!({"response": 7}), Outcome::Malformed),
            (json!([]), Outcome::Malformed),
            (json!({"error": "out of memory", "response": "The"}), Outcome::Failed),
            (json!({"error": {"code": "context_length_exceeded"}}), Outcome::TooLong),
        ] {
            assert_eq!(chunks(&answer).unwrap_err().outcome, outcome, "{answer}");
        }
        assert_eq!(
            chunks(&json!({"reply": ""})).unwrap(),
            [Chunk::End(FinishReason::Stop)],
            "an empty one is the caller's to judge"
        );
    }

    #[test]
    fn a_server_says_that_it_is_well_or_says_nothing() {
        for answer in [json!({"status": "OK"}), json!({"status": true}), json!({"gpu": 1}), json!("fine"), Value::Null]
        {
            assert!(is_healthy(&answer), "{answer}");
        }
        for answer in [json!({"status": "loading"}), json!({"status": false})] {
            assert!(!is_healthy(&answer), "{answer}");
        }
    }
}
