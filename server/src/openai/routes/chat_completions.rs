//! Chat completions: a question with its whole history, answered as a whole or as a stream.

use std::sync::Arc;

use axum::{extract::State, http::HeaderValue, response::Response};
use serde::Deserialize;
use troupe_core::model::caller_options::Sampling;
use utoipa::ToSchema;

use crate::{
    auth::caller::Identified,
    chat::event_stream,
    http::{
        error::ApiError,
        extract::{correlation::CorrelationId, idempotency::REPLAYED, message_headers::MessageHeaders},
    },
    openai::{
        OpenAi,
        accept::{Asking, ask_apart},
        body::{
            Call, OpenAiBody, Unsupported, is_choice_of_none, is_empty, is_false, is_medium, is_never, is_one, is_text,
            is_zero,
        },
        chat_completion::{ChatCompletion, Chunks, Head, whole},
        input::{Brought, InputMessage},
        reply::Reply,
        sampling::{self, Stop},
    },
};

/// A question with its history. Fields that are not named here are ignored, or refused by their names.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct CreateChatCompletion {
    /// A persona's slug.
    #[schema(example = "demo")]
    model: String,
    /// Instructions, earlier turns, and last the question.
    #[schema(min_items = 1)]
    messages: Vec<InputMessage>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    /// The old name of `max_completion_tokens`.
    #[serde(default)]
    #[schema(minimum = 1)]
    max_tokens: Option<u32>,
    #[serde(default)]
    #[schema(minimum = 1)]
    max_completion_tokens: Option<u32>,
    /// The persona's, unless it is set.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 2)]
    temperature: Option<f32>,
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1)]
    top_p: Option<f32>,
    #[serde(default)]
    #[schema(minimum = -2, maximum = 2)]
    presence_penalty: Option<f32>,
    #[serde(default)]
    #[schema(minimum = -2, maximum = 2)]
    frequency_penalty: Option<f32>,
    #[serde(default)]
    seed: Option<i64>,
    #[serde(default)]
    stop: Option<Stop>,
}

#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct StreamOptions {
    /// Whether the last chunk tells the tokens.
    #[serde(default)]
    include_usage: Option<bool>,
}

impl Call for CreateChatCompletion {
    const UNSUPPORTED: &'static [Unsupported] = &[
        ("n", is_one),
        ("tools", is_empty),
        ("tool_choice", is_choice_of_none),
        ("functions", is_empty),
        ("function_call", is_choice_of_none),
        ("response_format", is_text),
        ("reasoning_effort", is_medium),
        ("verbosity", is_medium),
        ("modalities", is_text),
        ("audio", is_never),
        ("prediction", is_never),
        ("logit_bias", is_empty),
        ("logprobs", is_false),
        ("top_logprobs", is_zero),
        ("web_search_options", is_never),
    ];
}

/// Answer a question
///
/// The persona answers, with its knowledge and its instructions; those of the caller come after its own. Nothing of it
/// is kept longer than a day. A caller that leaves before the end cancels the reply after some seconds, unless it has
/// sent an `Idempotency-Key`: the same call made again gets the same reply.
#[utoipa::path(post, path = "/v1/chat/completions", tag = super::TAG, security(("token" = ["chat:write"])),
    request_body = CreateChatCompletion,
    responses(
        (status = 200, content((ChatCompletion = "application/json"), (String = "text/event-stream")),
            description = "with `stream` as chunks, `[DONE]` last; an error in the midst is a chunk with `error`"),
        (status = 404, description = "no persona that you may talk with"),
        (status = 409, description = "the persona is hidden"),
        (status = 502, description = "no model service gave a reply"),
    ))]
pub(crate) async fn create_chat_completion(
    State(openai): State<Arc<OpenAi>>,
    Identified(identity): Identified,
    CorrelationId(correlation_id): CorrelationId,
    MessageHeaders { key, fresh }: MessageHeaders,
    OpenAiBody { call, bytes }: OpenAiBody<CreateChatCompletion>,
) -> Result<Response, ApiError> {
    let sampling = call.sampling()?;
    let CreateChatCompletion { model, messages, stream, stream_options, .. } = call;
    let brought = Brought::of(messages, "messages", openai.chat.config.server.max_content)?;
    let has_key = key.is_some();
    let asking = Asking { model: &model, brought, sampling, key, fresh, call: &bytes };
    let sent = ask_apart(&openai, identity.user, asking, &correlation_id).await?;
    // One that has a key may be asked for again, at any server.
    let reader = (!has_key).then(|| openai.attached.attach(identity.user, sent.request.id));
    let head = Head::new(&sent.request, model);
    let reply = match Reply::follow_accepted(openai.chat.clone(), &identity, sent.request.id).await {
        Ok(reply) => reply,
        Err(response) => return Ok(response),
    };
    let mut response = if stream == Some(true) {
        let with_usage = stream_options.and_then(|options| options.include_usage).unwrap_or_default();
        event_stream::respond(Chunks::new(head, reply, reader, with_usage).into_stream())
    } else {
        whole(head, reply, reader).await
    };
    if sent.replayed {
        let (name, value) = REPLAYED;
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

impl CreateChatCompletion {
    fn sampling(&self) -> Result<Sampling, ApiError> {
        let sampling = Sampling {
            temperature: self.temperature,
            top_p: self.top_p,
            presence_penalty: self.presence_penalty,
            frequency_penalty: self.frequency_penalty,
            seed: self.seed,
            stop: self.stop.clone().map(Stop::into_list).unwrap_or_default(),
            max_tokens: self.max_completion_tokens.or(self.max_tokens),
        };
        sampling::check(&sampling, "max_completion_tokens")?;
        Ok(sampling)
    }
}
