//! OpenAI's embeddings API, which many services share, through async-openai.
//!
//! Request and response are our own types, lenient in what they read. Retries are the caller's, so calls go through a
//! tower service without retries, unlike async-openai's own.

use std::time::Duration;

use async_openai::{Client, config::OpenAIConfig, error::OpenAIError, middleware::HttpRequestFactory};
use async_trait::async_trait;
use reqwest::{
    Response, StatusCode,
    header::{AUTHORIZATION, HeaderValue, RETRY_AFTER},
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::unit::normalise;
use crate::{
    adapters::http_client,
    config::{EmbeddingService, Embeddings, LiveSecret},
    ports::{EmbedError, Embedder},
};

/// The maximum of an error message, for logs.
const MAX_ERROR_CHARS: usize = 300;
/// The maximum of a response per number, as text.
const BYTES_PER_NUMBER: usize = 64;

pub struct OpenAiEmbedder {
    client: Client<OpenAIConfig>,
    service: EmbeddingService,
    /// With the dimension.
    model: String,
    batch: usize,
    timeout: Duration,
}

impl OpenAiEmbedder {
    pub fn new(
        service: &EmbeddingService,
        key: LiveSecret,
        settings: &Embeddings,
        connect_timeout: Duration,
    ) -> Result<Self, reqwest::Error> {
        let http = http_client::builder().connect_timeout(connect_timeout).build()?;
        let config = OpenAIConfig::new()
            .with_api_base(service.base_url.trim_end_matches('/'))
            // By default it reads these from the environment. The key is set in `send`.
            .with_api_key("none")
            .with_org_id("")
            .with_project_id("");
        let max_bytes = settings.batch * service.dimension * BYTES_PER_NUMBER + MAX_ERROR_CHARS;
        let send = tower::service_fn({
            let http = http.clone();
            move |call| send(http.clone(), call, key.now(), max_bytes)
        });
        Ok(Self {
            client: Client::build(http, config).with_http_service(send),
            model: format!("{}@{}", service.model, service.dimension),
            service: service.clone(),
            batch: settings.batch,
            timeout: settings.timeout,
        })
    }
}

async fn send(
    http: reqwest::Client,
    call: HttpRequestFactory,
    key: Option<SecretString>,
    max_bytes: usize,
) -> Result<Response, OpenAIError> {
    let failed = |error| OpenAIError::Boxed(Box::new(error));
    let mut call = call.build().await?;
    if let Some(key) = key {
        let key = HeaderValue::try_from(format!("Bearer {}", key.expose_secret()));
        let mut key = key.map_err(|_| failed(unavailable("the key cannot be sent: it is no single line")))?;
        key.set_sensitive(true);
        call.headers_mut().insert(AUTHORIZATION, key);
    }
    let mut response = http.execute(call).await.map_err(|error| failed(unreachable(&error)))?;
    let (status, retry_after) = (response.status(), retry_after(&response));
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|error| failed(unreachable(&error)))? {
        if body.len() + part.len() > max_bytes {
            return Err(failed(unavailable("the service's answer is too long")));
        }
        body.extend_from_slice(&part);
    }
    if status.is_success() {
        return Ok(http::Response::new(body).into());
    }
    let excerpt = String::from_utf8_lossy(&body).chars().take(MAX_ERROR_CHARS).collect::<String>();
    let why = match status {
        // Some services quote the key.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => status.to_string(),
        _ => format!("{status}: {excerpt}"),
    };
    Err(failed(match status {
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY => {
            EmbedError::Refused(why)
        }
        _ => EmbedError::Unavailable { why, retry_after },
    }))
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn unavailable(why: impl Into<String>) -> EmbedError {
    EmbedError::Unavailable { why: why.into(), retry_after: None }
}

/// Without the URL: it may hold a secret.
fn unreachable(error: &reqwest::Error) -> EmbedError {
    let cause = std::iter::successors(std::error::Error::source(error), |cause| (*cause).source()).last();
    unavailable(cause.map_or_else(|| "the call failed".to_owned(), ToString::to_string))
}

#[derive(Serialize)]
struct Call<'a> {
    model: &'a str,
    input: &'a [String],
    encoding_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<usize>,
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Embedding>,
}

#[derive(Deserialize)]
struct Embedding {
    index: Option<usize>,
    embedding: Vec<f32>,
}

impl OpenAiEmbedder {
    async fn call(&self, texts: &[String], prefix: &str) -> Result<Vec<Vec<f32>>, EmbedError> {
        let EmbeddingService { model, dimension, shortened, .. } = &self.service;
        let prefixed = (!prefix.is_empty()).then(|| texts.iter().map(|text| format!("{prefix}{text}")).collect());
        let input: &[String] = prefixed.as_ref().map_or(texts, Vec::as_slice);
        let call = Call { model, input, encoding_format: "float", dimensions: shortened.then_some(*dimension) };
        let embeddings = self.client.embeddings();
        let answer = tokio::time::timeout(self.timeout, embeddings.create_byot::<_, Answer>(call)).await;
        let Ok(answer) = answer else {
            return Err(unavailable(format!("no answer within {}", humantime::format_duration(self.timeout))));
        };
        vectors(answer.map_err(failure)?, texts.len(), *dimension)
    }
}

#[async_trait]
impl Embedder for OpenAiEmbedder {
    async fn embed(&self, passages: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.call(passages, &self.service.passage_prefix).await
    }

    async fn embed_queries(&self, queries: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.call(queries, &self.service.query_prefix).await
    }

    fn model(&self) -> &str {
        &self.model
    }

    fn dimension(&self) -> usize {
        self.service.dimension
    }

    fn batch(&self) -> usize {
        self.batch
    }
}

/// The vectors in the order of the texts; an error if one is missing.
fn vectors(answer: Answer, texts: usize, dimension: usize) -> Result<Vec<Vec<f32>>, EmbedError> {
    let mut vectors = vec![Vec::new(); texts];
    for (position, Embedding { index, mut embedding }) in answer.data.into_iter().enumerate() {
        if embedding.len() != dimension {
            let has = embedding.len();
            let why = format!("its vectors have {has} numbers, embeddings.dimension says {dimension}");
            return Err(EmbedError::Unfit(why));
        }
        if !embedding.iter().all(|number| number.is_finite()) {
            return Err(unavailable("the service sent what is no number"));
        }
        normalise(&mut embedding);
        if let Some(vector) = vectors.get_mut(index.unwrap_or(position)) {
            *vector = embedding;
        }
    }
    if vectors.iter().any(Vec::is_empty) {
        return Err(unavailable(format!("the service sent no vector for some of {texts} texts")));
    }
    Ok(vectors)
}

fn failure(error: OpenAIError) -> EmbedError {
    match error {
        OpenAIError::Boxed(error) => match error.downcast::<EmbedError>() {
            Ok(error) => *error,
            Err(error) => unavailable(error.to_string()),
        },
        // The parser's message would quote the response.
        OpenAIError::JSONDeserialize(..) => unavailable("the service sent what cannot be read"),
        other => unavailable(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(answer: &str, texts: usize) -> Result<Vec<Vec<f32>>, EmbedError> {
        vectors(serde_json::from_str(answer).unwrap(), texts, 2)
    }

    #[test]
    fn vectors_come_in_the_order_of_the_texts_and_of_length_one() {
        let answer = r#"{"object": "list", "data": [{"index": 1, "embedding": [0, 2]},
            {"index": 0, "embedding": [3, 4], "object": "embedding"}], "usage": null}"#;
        assert_eq!(read(answer, 2).unwrap(), [[0.6, 0.8], [0.0, 1.0]]);
        let without_places = r#"{"data": [{"embedding": [1, 0]}, {"embedding": [0, 1]}]}"#;
        assert_eq!(read(without_places, 2).unwrap(), [[1.0, 0.0], [0.0, 1.0]]);
    }

    #[test]
    fn an_answer_that_is_not_whole_is_none() {
        let one = r#"{"data": [{"index": 0, "embedding": [1, 0]}]}"#;
        assert!(matches!(read(one, 2), Err(EmbedError::Unavailable { .. })));
        let longer = r#"{"data": [{"index": 0, "embedding": [1, 0, 0]}]}"#;
        let Err(EmbedError::Unfit(why)) = read(longer, 1) else { panic!("it does not fit") };
        assert_eq!(why, "its vectors have 3 numbers, embeddings.dimension says 2");
    }
}
