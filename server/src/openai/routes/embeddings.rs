//! Embeddings, by the embedder of the personas' knowledge.

use std::sync::Arc;

use axum::{Json, extract::State};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use troupe_core::{ports::EmbedError, token_estimate::estimate_tokens};
use utoipa::ToSchema;

use crate::{
    http::error::ApiError,
    openai::{
        OpenAi,
        body::{Call, OpenAiBody, Unsupported},
    },
};

const MAX_TEXTS: usize = 256;

/// Texts that are to be embedded.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct CreateEmbedding {
    /// That of this service: the model of its embedder.
    #[schema(example = "text-embedding-3-small")]
    model: String,
    input: EmbeddingInput,
    /// `float`, the default, or `base64`: numbers of four bytes, the lowest first.
    #[serde(default)]
    encoding_format: Option<EncodingFormat>,
    /// No others than the model has.
    #[serde(default)]
    dimensions: Option<usize>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
enum EmbeddingInput {
    Text(String),
    Texts(Vec<String>),
    /// Refused: the tokens of which vocabulary?
    Tokens(#[expect(dead_code, reason = "to be recognized")] Vec<u32>),
    /// The same.
    ManyTokens(#[expect(dead_code, reason = "to be recognized")] Vec<Vec<u32>>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum EncodingFormat {
    #[default]
    Float,
    Base64,
}

impl Call for CreateEmbedding {
    const UNSUPPORTED: &'static [Unsupported] = &[];
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EmbeddingList {
    #[schema(example = "list")]
    object: &'static str,
    #[schema(inline)]
    data: Vec<Embedding>,
    model: String,
    #[schema(inline)]
    usage: EmbeddingUsage,
}

#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names of the protocol")]
struct Embedding {
    #[schema(example = "embedding")]
    object: &'static str,
    index: usize,
    embedding: Vector,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum Vector {
    Float(Vec<f32>),
    Base64(String),
}

/// As we estimate them.
#[derive(Debug, Serialize, ToSchema)]
struct EmbeddingUsage {
    prompt_tokens: usize,
    total_tokens: usize,
}

/// Embed texts
#[utoipa::path(post, path = "/v1/embeddings", tag = super::TAG, security(("token" = ["embeddings"])), request_body = CreateEmbedding,
    responses((status = 200, body = EmbeddingList)))]
pub(crate) async fn create_embedding(
    State(openai): State<Arc<OpenAi>>,
    OpenAiBody { call, .. }: OpenAiBody<CreateEmbedding>,
) -> Result<Json<EmbeddingList>, ApiError> {
    let CreateEmbedding { model, input, encoding_format, dimensions } = call;
    let embedder = &openai.embedder;
    let known = embedder.model().split('@').next().unwrap_or_default();
    if model != known {
        return Err(ApiError::field("model", format!("is not '{known}', which embeds here")));
    }
    if dimensions.is_some_and(|wanted| wanted != embedder.dimension()) {
        return Err(ApiError::field("dimensions", format!("are {} here", embedder.dimension())));
    }
    let texts = texts(input, openai.chat.config.server.max_content)?;
    let mut vectors = Vec::with_capacity(texts.len());
    for batch in texts.chunks(embedder.batch().max(1)) {
        vectors.extend(embedder.embed(batch).await.map_err(not_embedded)?);
    }
    let tokens = texts.iter().map(|text| estimate_tokens(text)).sum();
    let format = encoding_format.unwrap_or_default();
    let data = vectors.into_iter().enumerate().map(|(index, vector)| Embedding {
        object: "embedding",
        index,
        embedding: encoded(vector, format),
    });
    let usage = EmbeddingUsage { prompt_tokens: tokens, total_tokens: tokens };
    Ok(Json(EmbeddingList { object: "list", data: data.collect(), model, usage }))
}

fn texts(input: EmbeddingInput, max_bytes: usize) -> Result<Vec<String>, ApiError> {
    let texts = match input {
        EmbeddingInput::Text(text) => vec![text],
        EmbeddingInput::Texts(texts) => texts,
        EmbeddingInput::Tokens(_) | EmbeddingInput::ManyTokens(_) => {
            let detail = "must be texts: no tokens are taken (with LangChain, set check_embedding_ctx_length to False)";
            return Err(ApiError::field("input", detail));
        }
    };
    if !(1..=MAX_TEXTS).contains(&texts.len()) {
        return Err(ApiError::field("input", format!("must be 1 to {MAX_TEXTS} texts")));
    }
    let wrong = texts.iter().position(|text| !(1..=max_bytes).contains(&text.len()));
    wrong.map_or(Ok(texts), |number| {
        Err(ApiError::field(&format!("input[{number}]"), format!("must be 1 to {max_bytes} bytes")))
    })
}

fn encoded(vector: Vec<f32>, format: EncodingFormat) -> Vector {
    match format {
        EncodingFormat::Float => Vector::Float(vector),
        EncodingFormat::Base64 => {
            let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
            Vector::Base64(BASE64_STANDARD.encode(bytes))
        }
    }
}

fn not_embedded(error: EmbedError) -> ApiError {
    match error {
        EmbedError::Refused(why) => ApiError::field("input", why),
        EmbedError::Unavailable { why, .. } => ApiError::unavailable(format!("embed: {why}")),
        EmbedError::Unfit(why) => ApiError::Internal(format!("embed: {why}")),
    }
}
