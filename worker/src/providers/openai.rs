//! OpenAI's chat completions, which many services speak, through async-openai.
//!
//! The request and the chunks are our own types: lenient in what they read, so that a service's unknown field never costs a
//! reply. Retries are ours, so calls go through a service that makes none, unlike async-openai's own; and so are the time
//! limits: see [`super::time_limits`].

use std::time::Duration;

use async_openai::{Client, config::OpenAIConfig, error::OpenAIError, middleware::HttpRequestFactory};
use async_trait::async_trait;
use futures::{StreamExt, stream::BoxStream};
use reqwest::{Response, StatusCode, header::RETRY_AFTER};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use troupe_shared::{config, model::Role, model::Usage};

use super::{ChatModel, Chunk, ModelError};
use crate::reply::prompt::Prompt;

/// Characters of what a service says when it refuses, for the log.
const MOST_OF_A_REFUSAL: usize = 500;

pub(crate) struct OpenAiChatModel {
    client: Client<OpenAIConfig>,
    model: String,
    max_reply_tokens: u32,
}

impl OpenAiChatModel {
    pub(crate) fn new(config: &config::Provider) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .connect_timeout(config.connect_timeout)
            .pool_idle_timeout(Duration::from_secs(30))
            .build()?;
        let mut service = OpenAIConfig::new();
        if let Some(base) = &config.openai_base_url {
            service = service.with_api_base(base.as_str().trim_end_matches('/'));
        }
        // Services of one's own often want no key; the header is sent all the same.
        service = service.with_api_key(config.openai_api_key.as_ref().map_or("none", |key| key.expose_secret()));
        Ok(Self {
            client: Client::with_config(service)
                .with_http_service(tower::service_fn(move |call| send(http.clone(), call))),
            model: config.model.clone(),
            max_reply_tokens: config.max_reply_tokens,
        })
    }
}

/// An answer that is not a stream of words.
#[derive(Debug, thiserror::Error)]
#[error("the model service answered {status}: {message}")]
struct Refused {
    status: StatusCode,
    message: String,
    retry_after: Option<Duration>,
}

async fn send(http: reqwest::Client, call: HttpRequestFactory) -> Result<Response, OpenAIError> {
    let response = http.execute(call.build().await?).await?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let message = response.text().await.unwrap_or_default().chars().take(MOST_OF_A_REFUSAL).collect();
    Err(OpenAIError::Boxed(Box::new(Refused { status, message, retry_after: seconds.map(Duration::from_secs) })))
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
    fn name(&self) -> &'static str {
        "openai"
    }

    fn model<'a>(&'a self, prompt: &'a Prompt) -> &'a str {
        prompt.model.as_deref().unwrap_or(&self.model)
    }

    async fn stream(&self, prompt: &Prompt) -> Result<BoxStream<'static, Result<Chunk, ModelError>>, ModelError> {
        let system = RequestMessage { role: "system", content: &prompt.system };
        let turns = prompt.messages.iter().map(|message| RequestMessage {
            role: match message.role {
                Role::User => "user",
                Role::Assistant => "assistant",
            },
            content: &message.content,
        });
        let request = Request {
            model: self.model(prompt),
            messages: std::iter::once(system).chain(turns).collect(),
            temperature: prompt.temperature,
            max_completion_tokens: self.max_reply_tokens,
            stream: true,
            stream_options: StreamOptions { include_usage: true },
        };
        let chunks =
            self.client.chat().create_stream_byot::<_, ResponseChunk>(request).await.map_err(|e| classify(&e))?;
        Ok(read(chunks.map(|chunk| chunk.map_err(|e| classify(&e)))).boxed())
    }
}

/// Turns the service's chunks into ours. The end is where the service gave a reason for it: a stream that stops without one
/// was cut off.
fn read(
    chunks: impl futures::Stream<Item = Result<ResponseChunk, ModelError>> + Send,
) -> impl futures::Stream<Item = Result<Chunk, ModelError>> + Send {
    let mut finished = false;
    let parts = chunks.map(move |chunk| match chunk {
        Err(error) => vec![Err(error)],
        Ok(ResponseChunk { error: Some(error), .. }) => {
            vec![Err(ModelError::transient(format!("the model service broke off: {error}")))]
        }
        Ok(ResponseChunk { choices, usage, .. }) => {
            let mut parts = Vec::with_capacity(2);
            for Choice { delta, finish_reason } in choices.into_iter().take(1) {
                let text = delta.content.or(delta.refusal).unwrap_or_default();
                if !text.is_empty() {
                    parts.push(Ok(Part::Chunk(Chunk::Text(text))));
                }
                if finish_reason.is_some_and(|reason| !reason.is_empty()) {
                    parts.push(Ok(Part::Finished));
                }
            }
            if let Some(ReportedUsage { prompt_tokens, completion_tokens }) = usage {
                parts.push(Ok(Part::Chunk(Chunk::Usage(Usage { prompt_tokens, completion_tokens, estimated: false }))));
            }
            parts
        }
    });
    // Usage comes after the reason to finish, in a chunk of its own: so the end is told when the stream ends.
    let tail = futures::stream::iter([vec![Ok(Part::Closed)]]);
    parts.chain(tail).flat_map(futures::stream::iter).filter_map(move |part| {
        let told = match part {
            Err(error) => Some(Err(error)),
            Ok(Part::Chunk(chunk)) => Some(Ok(chunk)),
            Ok(Part::Finished) => {
                finished = true;
                None
            }
            Ok(Part::Closed) => finished.then_some(Ok(Chunk::End)),
        };
        std::future::ready(told)
    })
}

enum Part {
    Chunk(Chunk),
    Finished,
    Closed,
}

fn classify(error: &OpenAIError) -> ModelError {
    match error {
        OpenAIError::Boxed(refused) if let Some(refused) = refused.downcast_ref::<Refused>() => ModelError {
            transient: refused.status.is_server_error() || [408, 409, 425, 429].contains(&refused.status.as_u16()),
            message: refused.to_string(),
            retry_after: refused.retry_after,
        },
        OpenAIError::InvalidArgument(why) => ModelError::permanent(why.clone()),
        // Its own words would quote the reply.
        OpenAIError::JSONDeserialize(why, _) => {
            ModelError::transient(format!("the model service sent what cannot be read: {why}"))
        }
        // Connections that fail or break off.
        other => ModelError::transient(format!("the model service failed: {other}")),
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
        assert_eq!(heard, [Ok(Chunk::Text("The sea".to_owned())), Ok(Chunk::Usage(usage)), Ok(Chunk::End)]);
    }

    #[tokio::test]
    async fn a_stream_that_just_stops_has_no_end() {
        assert_eq!(heard(&[r#"{"choices":[{"delta":{"content":"The"}}]}"#]).await, [Ok(Chunk::Text("The".to_owned()))]);
    }

    #[tokio::test]
    async fn an_error_inside_the_stream_is_an_error() {
        let heard = heard(&[r#"{"error":{"message":"overloaded"}}"#]).await;
        assert_eq!(heard, [Err(r#"the model service broke off: {"message":"overloaded"}"#.to_owned())]);
    }
}
