//! OpenAI's chat completions, which many services speak, through async-openai.
//!
//! The request and the chunks are our own types: lenient in what they read, so that a service's unknown field never costs a
//! reply. Retries are ours, so calls go through a service that makes none, unlike async-openai's own; and so are the time
//! limits: see [`super::time_limits`].

use async_openai::{
    Client,
    config::OpenAIConfig,
    error::{OpenAIError, StreamError},
    middleware::HttpRequestFactory,
};
use async_trait::async_trait;
use futures::{Stream, StreamExt};
use reqwest::Response;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use troupe_shared::model::{Role, Usage, providers::Outcome};

use super::{Call, ChatModel, Chunk, Chunks, Failure, Stop, http};

pub(super) struct OpenAiChatModel {
    client: Client<OpenAIConfig>,
}

impl OpenAiChatModel {
    pub(super) fn new(http: reqwest::Client, base: &str, key: Option<&SecretString>) -> Self {
        // Services of one's own often want no key; the header is sent all the same.
        let config = OpenAIConfig::new()
            .with_api_base(base.trim_end_matches('/'))
            .with_api_key(key.map_or("none", ExposeSecret::expose_secret));
        let client =
            Client::with_config(config).with_http_service(tower::service_fn(move |call| send(http.clone(), call)));
        Self { client }
    }
}

async fn send(http: reqwest::Client, call: HttpRequestFactory) -> Result<Response, OpenAIError> {
    let failed = |failure: Failure| OpenAIError::Boxed(Box::new(failure));
    let response = http.execute(call.build().await?).await.map_err(|error| failed(http::broken(&error)))?;
    if response.status().is_success() { Ok(response) } else { Err(failed(http::refusal(response).await)) }
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    messages: Vec<RequestMessage<'a>>,
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
struct RequestMessage<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ResponseChunk {
    choices: Vec<Choice>,
    usage: Option<ReportedUsage>,
    /// Some services report an error in the middle of a stream that began well.
    error: Option<serde_json::Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Choice {
    delta: Delta,
    finish_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Delta {
    content: Option<String>,
    refusal: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ReportedUsage {
    prompt_tokens: u32,
    completion_tokens: u32,
}

#[async_trait]
impl ChatModel for OpenAiChatModel {
    async fn stream(&self, call: Call<'_>) -> Result<Chunks, Failure> {
        let system = RequestMessage { role: "system", content: &call.prompt.system };
        let turns = call.prompt.messages.iter().map(|message| RequestMessage {
            role: match message.role {
                Role::User => "user",
                Role::Assistant => "assistant",
            },
            content: &message.content,
        });
        let begun = (!call.said.is_empty()).then_some(RequestMessage { role: "assistant", content: call.said });
        let request = Request {
            model: call.model,
            messages: std::iter::once(system).chain(turns).chain(begun).collect(),
            temperature: call.prompt.temperature,
            max_completion_tokens: call.max_tokens,
            stream: true,
            stream_options: StreamOptions { include_usage: true },
        };
        let chunks = self.client.chat().create_stream_byot::<_, ResponseChunk>(request).await.map_err(failure)?;
        Ok(read(chunks.map(|chunk| chunk.map_err(failure))).boxed())
    }

    async fn check(&self) -> Result<(), Failure> {
        _ = self.client.models().list_byot::<serde_json::Value>().await.map_err(failure)?;
        Ok(())
    }
}

/// Turns the service's chunks into ours. The end is where the service gave a reason for it: a stream that stops without one
/// was cut off. Usage comes after the reason, in a chunk of its own: so the end is told when the stream ends.
fn read(
    chunks: impl Stream<Item = Result<ResponseChunk, Failure>> + Send,
) -> impl Stream<Item = Result<Chunk, Failure>> + Send {
    let chunks = chunks.map(Some).chain(futures::stream::iter([None]));
    let told = chunks.scan((None, false), |(stop, declined), chunk| {
        let parts = match chunk {
            Some(Err(failure)) => vec![Err(failure)],
            Some(Ok(ResponseChunk { error: Some(error), .. })) => vec![Err(http::reported(&error))],
            Some(Ok(ResponseChunk { choices, usage, .. })) => {
                let mut parts = Vec::with_capacity(2);
                if let Some(Choice { delta, finish_reason }) = choices.into_iter().next() {
                    *declined |= delta.refusal.as_ref().is_some_and(|said| !said.is_empty());
                    let text = delta.content.filter(|text| !text.is_empty()).or(delta.refusal).unwrap_or_default();
                    if !text.is_empty() {
                        parts.push(Ok(Chunk::Text(text)));
                    }
                    if let Some(reason) = finish_reason.filter(|reason| !reason.is_empty()) {
                        *stop = Some(why(&reason, *declined));
                    }
                }
                if let Some(ReportedUsage { prompt_tokens, completion_tokens }) = usage {
                    parts.push(Ok(Chunk::Usage(Usage { prompt_tokens, completion_tokens, estimated: false })));
                }
                parts
            }
            None => stop.iter().map(|stop| Ok(Chunk::End(*stop))).collect(),
        };
        std::future::ready(Some(futures::stream::iter(parts)))
    });
    told.flatten()
}

fn why(reason: &str, declined: bool) -> Stop {
    match reason {
        "length" => Stop::Length,
        "content_filter" => Stop::Filtered,
        _ if declined => Stop::Refused,
        _ => Stop::Finished,
    }
}

fn failure(error: OpenAIError) -> Failure {
    match error {
        OpenAIError::Boxed(error) => match error.downcast::<Failure>() {
            Ok(failure) => *failure,
            Err(error) => Failure::new(Outcome::Failed, error.to_string()),
        },
        OpenAIError::InvalidArgument(why) => Failure::new(Outcome::BadCall, why),
        // Its own words would quote the reply.
        OpenAIError::JSONDeserialize(why, _) => {
            Failure::new(Outcome::Malformed, format!("the service sent what cannot be read: {why}"))
        }
        OpenAIError::StreamError(error) => match *error {
            StreamError::EventStream(why) => Failure::new(Outcome::Cut, format!("the stream broke off: {why}")),
            other => Failure::new(Outcome::Malformed, other.to_string()),
        },
        OpenAIError::Reqwest(error) => http::broken(&error),
        other => Failure::new(Outcome::Failed, other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn heard(chunks: &[&str]) -> Vec<Result<Chunk, String>> {
        let chunks: Vec<_> = chunks.iter().map(|json| Ok(serde_json::from_str(json).unwrap())).collect();
        read(futures::stream::iter(chunks)).map(|chunk| chunk.map_err(|e| e.message)).collect().await
    }

    #[tokio::test]
    async fn text_usage_and_end_are_told() {
        let heard = heard(&[
            r#"{"id":"x","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"surprise":{}}"#,
            r#"{"choices":[{"delta":{"content":"The sea"}}]}"#,
            r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#,
            r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"other":1}}"#,
        ])
        .await;
        let usage = Usage { prompt_tokens: 9, completion_tokens: 2, estimated: false };
        assert_eq!(
            heard,
            [Ok(Chunk::Text("The sea".to_owned())), Ok(Chunk::Usage(usage)), Ok(Chunk::End(Stop::Finished))]
        );
    }

    #[tokio::test]
    async fn a_stream_that_just_stops_has_no_end() {
        assert_eq!(heard(&[r#"{"choices":[{"delta":{"content":"The"}}]}"#]).await, [Ok(Chunk::Text("The".to_owned()))]);
    }

    #[tokio::test]
    async fn an_error_inside_the_stream_is_an_error() {
        let heard = heard(&[r#"{"error":{"message":"overloaded"}}"#]).await;
        assert_eq!(heard, [Err(r#"the service broke off: {"message":"overloaded"}"#.to_owned())]);
    }
}
