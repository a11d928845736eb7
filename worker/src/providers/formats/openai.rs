//! OpenAI's chat completions, which many services speak, through async-openai.
//!
//! The request and the chunks are our own types: lenient in what they read, so that a service's unknown field never costs a
//! reply. Retries are ours, so calls go through a service that makes none, unlike async-openai's own; and so are the time
//! limits: see [`super::time_limits`].

use std::{error::Error, ops::ControlFlow};

use async_openai::{Client, config::OpenAIConfig, error::OpenAIError, middleware::HttpRequestFactory};
use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, future::ready, stream};
use reqwest::{Response, header::CONTENT_TYPE};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::{Value, json};
use troupe_core::model::{Role, providers::Outcome};

use super::{
    error_body,
    http::{self, Exchange},
    lenient_json::{Words, or_default},
    sse::{Event, events},
    stream::{Listener, tell},
};
use crate::providers::{
    chat_model::{Call, ChatModel, Chunk, Chunks, Stop},
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
        // Services of one's own often want no key; the header is sent all the same.
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

/// An answer on its way past async-openai, which would read it in a task of its own and keep of a fault only words.
#[derive(Debug, thiserror::Error)]
#[error("the answer is read elsewhere")]
struct Answer(Response);

async fn send(exchange: Exchange, call: HttpRequestFactory) -> Result<Response, OpenAIError> {
    let request = call.build().await?;
    let streamed = request.url().path().ends_with("/chat/completions");
    let answer = exchange(request).await.map_err(boxed)?;
    if streamed {
        return Err(boxed(Answer(answer)));
    }
    Ok(::http::Response::new(http::whole(answer).await.map_err(boxed)?).into())
}

fn boxed(error: impl Error + Send + Sync + 'static) -> OpenAIError {
    OpenAIError::Boxed(Box::new(error))
}

#[async_trait]
impl ChatModel for OpenAiChatModel {
    async fn stream(&self, call: Call<'_>) -> Result<Chunks, Failure> {
        let client = self.client.as_ref().map_err(Failure::clone)?;
        let answer = match client.chat().create_stream_byot::<_, IgnoredAny>(Request::of(&call)).await {
            Err(error) => answer(error)?,
            Ok(_) => return Err(Failure::new(Outcome::Failed, "the answer was lost")),
        };
        let kind = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if kind.starts_with("application/json") {
            // Of a service that does not stream, or that reports an error under a status that says all is well.
            let whole = Event { data: http::whole(answer).await?, ..Event::default() };
            return Ok(tell(stream::iter([whole.read()]), Reply::default()));
        }
        // Some keep the connection awake with events that hold nothing.
        let events = events(answer).try_filter(|event| ready(!event.data.trim().is_empty()));
        let events = events.try_take_while(|event| ready(Ok(event.data != "[DONE]")));
        Ok(tell(events.map(|event| event?.read()), Reply::default()))
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
        let turns = call.prompt.messages.iter().map(|message| Turn {
            role: match message.role {
                Role::User => "user",
                Role::Assistant => "assistant",
            },
            content: &message.content,
        });
        let begun = (!call.said.is_empty()).then_some(Turn { role: "assistant", content: call.said });
        Self {
            model: call.model,
            messages: std::iter::once(system).chain(turns).chain(begun).collect(),
            temperature: call.prompt.temperature,
            max_completion_tokens: call.max_tokens,
            stream: true,
            stream_options: StreamOptions { include_usage: true },
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Heard {
    #[serde(deserialize_with = "or_default")]
    choices: Vec<Choice>,
    usage: Value,
    /// Some services report an error in the middle of a stream that began well; and some without this field, as an object
    /// that is one.
    error: Value,
    object: Words,
    message: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Choice {
    #[serde(deserialize_with = "or_default")]
    delta: Delta,
    /// In the place of the delta, where a service does not stream.
    #[serde(deserialize_with = "or_default")]
    message: Delta,
    finish_reason: Words,
    error: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Delta {
    content: Words,
    refusal: Words,
}

/// What was said of a reply so far.
#[derive(Default)]
struct Reply {
    declined: bool,
    stop: Option<Stop>,
}

impl Listener for Reply {
    type Heard = Heard;

    fn hear(&mut self, heard: Heard, told: &mut Vec<Chunk>) -> Result<ControlFlow<()>, Failure> {
        let Heard { choices, usage, error, object, message } = heard;
        let choice = choices.into_iter().next().unwrap_or_default();
        if object.0 == "error" && error.is_null() {
            return Err(error_body::reported(&json!({ "message": message })));
        }
        if let Some(error) = [error, choice.error].iter().find(|error| error_body::is_something(error)) {
            return Err(error_body::reported(error));
        }
        for Delta { content: Words(content), refusal: Words(refusal) } in [choice.delta, choice.message] {
            self.declined |= !refusal.is_empty();
            told.extend([content, refusal].into_iter().filter(|text| !text.is_empty()).map(Chunk::Text));
        }
        if let Some(stop) = error_body::stop(&choice.finish_reason.0) {
            self.stop = Some(if stop == Stop::Finished && self.declined { Stop::Refused } else { stop });
        }
        told.extend(error_body::usage(&usage).map(Chunk::Usage));
        // Usage comes after the reason, in an event of its own: so the end is where the stream ends.
        Ok(ControlFlow::Continue(()))
    }

    fn stop(&self) -> Option<Stop> {
        self.stop
    }
}

fn answer(error: OpenAIError) -> Result<Response, Failure> {
    match error {
        OpenAIError::Boxed(error) => match error.downcast::<Answer>() {
            Ok(answer) => Ok(answer.0),
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
        // Its own words would quote the answer.
        OpenAIError::JSONDeserialize(..) => Failure::new(Outcome::Malformed, "the service sent what is no JSON"),
        other => Failure::new(Outcome::Failed, other.to_string()),
    }
}
