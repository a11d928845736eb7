//! OpenAI's chat completions, which many services speak, through async-openai.
//!
//! The request and the chunks are our own types, lenient in what they read, so that a service's unknown field never
//! costs a reply. Retries and timeouts are ours ([`super::time_limits`]), so calls go through a tower service without
//! retries, unlike async-openai's own.

use std::{error::Error, ops::ControlFlow};

use async_openai::{Client, config::OpenAIConfig, error::OpenAIError, middleware::HttpRequestFactory};
use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, future::ready, stream};
use reqwest::{Response, header::CONTENT_TYPE};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::{Value, json};
use troupe_core::model::{caller_options::Sampling, providers::Outcome};

use super::{
    error_body,
    http::{self, Exchange},
    lenient_json::{LenientText, or_default},
    sse::{Event, events},
    stream::{StreamDecoder, decoded},
};
use crate::providers::{
    chat_model::{Call, ChatModel, Chunk, Chunks, FinishReason},
    failure::Failure,
};

pub(crate) struct OpenAiChatModel {
    /// Or why there can be no call.
    client: Result<Client<OpenAIConfig>, Failure>,
}

impl OpenAiChatModel {
    pub(crate) fn new(http: reqwest::Client, base: &str, key: Option<&SecretString>) -> Self {
        Self::over(http::exchange(http.clone()), http, base, key)
    }

    pub(super) fn over(exchange: Exchange, http: reqwest::Client, base: &str, key: Option<&SecretString>) -> Self {
        // Private services often need no key; the header is sent all the same.
        let config = OpenAIConfig::new()
            .with_api_base(base.trim_end_matches('/'))
            .with_api_key(key.map_or("none", ExposeSecret::expose_secret))
            // It would take these from the environment.
            .with_org_id("")
            .with_project_id("");
        // It would panic over a key that is no header.
        let sendable = key.map(|key| http::key_header("Bearer ", key)).transpose();
        let service = tower::service_fn(move |call| send(exchange.clone(), call));
        Self { client: sendable.map(|_| Client::build(http, config).with_http_service(service)) }
    }
}

/// Smuggles a response past async-openai as an error: it would read the body in a task of its own, and reduce a failure
/// to a string.
#[derive(Debug, thiserror::Error)]
#[error("the answer is read elsewhere")]
struct Bypass(Response);

async fn send(exchange: Exchange, call: HttpRequestFactory) -> Result<Response, OpenAIError> {
    let request = call.build().await?;
    let streamed = request.url().path().ends_with("/chat/completions");
    let response = exchange(request).await.map_err(boxed)?;
    if streamed {
        return Err(boxed(Bypass(response)));
    }
    Ok(::http::Response::new(http::read_body(response).await.map_err(boxed)?).into())
}

fn boxed(error: impl Error + Send + Sync + 'static) -> OpenAIError {
    OpenAIError::Boxed(Box::new(error))
}

#[async_trait]
impl ChatModel for OpenAiChatModel {
    async fn stream(&self, call: Call<'_>) -> Result<Chunks, Failure> {
        let client = self.client.as_ref().map_err(Failure::clone)?;
        let response = match client.chat().create_stream_byot::<_, IgnoredAny>(Request::of(&call)).await {
            Err(error) => bypassed(error)?,
            Ok(_) => return Err(Failure::new(Outcome::Failed, "the answer was lost")),
        };
        let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if kind.starts_with("application/json") {
            // A service that does not stream, or that reports an error with a status of success.
            let whole = Event { data: http::read_body(response).await?, ..Event::default() };
            return Ok(decoded(stream::iter([whole.parse()]), Decoder::default()));
        }
        // Some services send empty events as keep-alive.
        let events = events(response).try_filter(|event| ready(!event.data.trim().is_empty()));
        let events = events.try_take_while(|event| ready(Ok(event.data != "[DONE]")));
        Ok(decoded(events.map(|event| event?.parse()), Decoder::default()))
    }

    async fn check(&self) -> Result<(), Failure> {
        let client = self.client.as_ref().map_err(Failure::clone)?;
        client.models().list_byot::<Value>().await.map(drop).map_err(failure)
    }
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    messages: Vec<Turn<'a>>,
    temperature: f32,
    max_completion_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop: &'a [String],
    stream: bool,
    stream_options: StreamOptions,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
struct Turn<'a> {
    role: &'static str,
    content: &'a str,
}

impl<'a> Request<'a> {
    fn of(call: &Call<'a>) -> Self {
        let system = Turn { role: "system", content: &call.prompt.system };
        let messages = call.prompt.messages.iter().chain(&call.prompt.tail);
        let turns = messages.map(|message| Turn { role: message.role.name(), content: &message.content });
        let Sampling { top_p, presence_penalty, frequency_penalty, seed, ref stop, .. } = call.prompt.sampling;
        let prefill = (!call.prefill.is_empty()).then_some(Turn { role: "assistant", content: call.prefill });
        Self {
            model: call.model,
            messages: std::iter::once(system).chain(turns).chain(prefill).collect(),
            temperature: call.prompt.temperature,
            max_completion_tokens: call.max_tokens,
            top_p,
            presence_penalty,
            frequency_penalty,
            seed,
            stop,
            stream: true,
            stream_options: StreamOptions { include_usage: true },
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StreamEvent {
    #[serde(deserialize_with = "or_default")]
    choices: Vec<Choice>,
    usage: Value,
    /// Some services report an error in mid-stream; and some without this field, as an object of the type `error`.
    error: Value,
    object: LenientText,
    message: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Choice {
    #[serde(deserialize_with = "or_default")]
    delta: Delta,
    /// Instead of the delta, where a service does not stream.
    #[serde(deserialize_with = "or_default")]
    message: Delta,
    finish_reason: LenientText,
    error: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Delta {
    content: LenientText,
    refusal: LenientText,
}

/// The state of a reply so far.
#[derive(Default)]
struct Decoder {
    declined: bool,
    finish_reason: Option<FinishReason>,
}

impl StreamDecoder for Decoder {
    type Event = StreamEvent;

    fn decode(&mut self, event: StreamEvent, chunks: &mut Vec<Chunk>) -> Result<ControlFlow<()>, Failure> {
        let StreamEvent { choices, usage, error, object, message } = event;
        let choice = choices.into_iter().next().unwrap_or_default();
        if object.0 == "error" && error.is_null() {
            return Err(error_body::stream_error(&json!({ "message": message })));
        }
        if let Some(error) = [error, choice.error].iter().find(|error| error_body::is_error(error)) {
            return Err(error_body::stream_error(error));
        }
        for Delta { content: LenientText(content), refusal: LenientText(refusal) } in [choice.delta, choice.message] {
            self.declined |= !refusal.is_empty();
            chunks.extend([content, refusal].into_iter().filter(|text| !text.is_empty()).map(Chunk::Text));
        }
        if let Some(reason) = error_body::finish_reason(&choice.finish_reason.0) {
            let declined = reason == FinishReason::Stop && self.declined;
            self.finish_reason = Some(if declined { FinishReason::Refusal } else { reason });
        }
        chunks.extend(error_body::usage(&usage).map(Chunk::Usage));
        // Usage comes after the finish reason, in an event of its own: the end is where the stream ends.
        Ok(ControlFlow::Continue(()))
    }

    fn finish_reason(&self) -> Option<FinishReason> {
        self.finish_reason
    }
}

fn bypassed(error: OpenAIError) -> Result<Response, Failure> {
    match error {
        OpenAIError::Boxed(error) => match error.downcast::<Bypass>() {
            Ok(bypass) => Ok(bypass.0),
            Err(error) => Err(failure(OpenAIError::Boxed(error))),
        },
        error => Err(failure(error)),
    }
}

fn failure(error: OpenAIError) -> Failure {
    match error {
        OpenAIError::Boxed(error) => match error.downcast::<Failure>() {
            Ok(failure) => *failure,
            Err(error) => Failure::new(Outcome::Failed, error.to_string()),
        },
        OpenAIError::InvalidArgument(why) => Failure::new(Outcome::BadCall, why),
        // Its own message would quote the answer.
        OpenAIError::JSONDeserialize(..) => Failure::new(Outcome::Malformed, "the service sent what is no JSON"),
        other => Failure::new(Outcome::Failed, other.to_string()),
    }
}
