//! Responses: made at once, in the background or as a stream; read and followed again; cancelled; deleted.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::HeaderValue,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use troupe_core::{
    events::ConversationEvent,
    ids::UserId,
    model::caller_options::{ResponseSettings, Sampling, Truncation},
};
use troupe_db::replies::{
    conversations,
    responses::{self, Response as Found},
};
use utoipa::{IntoParams, ToSchema};

use crate::{
    auth::caller::{Caller, Identified},
    chat::{cancel::cancel_request, conversation_events::tell, event_stream},
    http::{
        error::ApiError,
        extract::{
            correlation::CorrelationId, idempotency::REPLAYED, message_headers::MessageHeaders, paging::Params,
            path::Id, validation::Checks,
        },
    },
    openai::{
        OpenAi,
        body::{Call, OpenAiBody, Unsupported, is_choice_of_none, is_empty, is_never, is_plain, is_zero},
        input::{Brought, Input},
        items::{Item, ItemPaging, Items},
        metadata::{self, Metadata},
        reply::Reply,
        response::{
            Events,
            create::{Created, Creation, accept_response},
            id::{ConversationName, ResponseId},
            view::{Asked, ResponseView},
            whole,
        },
        sampling,
    },
};

const MISSING: ApiError = ApiError::NotFound("response");
const MAX_SEQUENCE_NUMBER: u32 = 10_000_000;

/// A response that is to be made. Fields that are not named here are ignored, or refused by their names.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct CreateResponse {
    /// A persona's slug; that of the conversation where it is left out.
    #[serde(default)]
    #[schema(example = "demo")]
    model: Option<String>,
    input: Input,
    /// After the persona's own, for this response alone.
    #[serde(default)]
    instructions: Option<String>,
    /// The response that this one follows.
    #[serde(default)]
    previous_response_id: Option<ResponseId>,
    /// The conversation that it is in.
    #[serde(default)]
    conversation: Option<ConversationChoice>,
    #[serde(default)]
    stream: Option<bool>,
    /// Whether to answer at once; the response is read, or followed, later.
    #[serde(default)]
    background: Option<bool>,
    /// Whether it is kept; true by default. What is not kept is deleted after a day, and in no list.
    #[serde(default)]
    store: Option<bool>,
    /// `auto`, the default: earlier turns that do not fit are left out. `disabled`: they are refused.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "auto")]
    truncation: Option<Truncation>,
    #[serde(default)]
    #[schema(minimum = 1)]
    max_output_tokens: Option<u32>,
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
    /// At most 16 texts.
    #[serde(default)]
    metadata: Option<Metadata>,
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    safety_identifier: Option<String>,
    #[serde(default)]
    prompt_cache_key: Option<String>,
}

/// Its id, or an object with it.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum ConversationChoice {
    Id(ConversationName),
    Object { id: ConversationName },
}

impl Call for CreateResponse {
    const UNSUPPORTED: &'static [Unsupported] = &[
        ("tools", is_empty),
        ("tool_choice", is_choice_of_none),
        ("max_tool_calls", is_never),
        ("text", is_plain),
        ("reasoning", is_empty),
        ("include", is_empty),
        ("prompt", is_never),
        ("top_logprobs", is_zero),
        ("context_management", is_empty),
    ];
}

impl CreateResponse {
    fn sampling(&self) -> Result<Sampling, ApiError> {
        let sampling = Sampling {
            temperature: self.temperature,
            top_p: self.top_p,
            presence_penalty: self.presence_penalty,
            frequency_penalty: self.frequency_penalty,
            max_tokens: self.max_output_tokens,
            ..Sampling::default()
        };
        sampling::check(&sampling, "max_output_tokens")?;
        Ok(sampling)
    }

    fn settings(&mut self) -> Result<ResponseSettings, ApiError> {
        let store = self.store.unwrap_or(true);
        let background = self.background.unwrap_or_default();
        let metadata = self.metadata.take().unwrap_or_default();
        let names = [&self.user, &self.safety_identifier, &self.prompt_cache_key];
        let instructions = self.instructions.as_ref().is_none_or(|text| !text.contains('\0'));
        metadata::check(&metadata)?;
        Checks::default()
            .rule(store || !background, "background", "needs store: what runs in the background is read later")
            .rule(instructions, "instructions", "must not contain a zero character")
            .rule(
                names.into_iter().flatten().all(|text| metadata::is_text(text)),
                "user",
                "must not be longer than 512 bytes",
            )
            .done()?;
        Ok(ResponseSettings {
            instructions: self.instructions.take().filter(|text| !text.trim().is_empty()),
            previous: self.previous_response_id.map(|ResponseId(id)| id),
            in_conversation: self.conversation.is_some(),
            background,
            store,
            truncation: self.truncation.unwrap_or_default(),
            metadata,
            user: self.user.take(),
            safety_identifier: self.safety_identifier.take(),
            prompt_cache_key: self.prompt_cache_key.take(),
            ..ResponseSettings::default()
        })
    }
}

/// Make a response
///
/// With `background` it is answered at once; else when the response has ended, or as a stream. One that is stored goes
/// on when its caller leaves, and can be followed again at any server (`GET /v1/responses/{id}?stream=true`).
#[utoipa::path(post, path = "/v1/responses", tag = super::TAG, security(("token" = ["chat:write"])), request_body = CreateResponse,
    responses(
        (status = 200, content((ResponseView = "application/json"), (String = "text/event-stream"))),
        (status = 404, description = "no such persona, conversation or previous response"),
        (status = 409, description = "the persona is hidden, or the previous response is still being written"),
        (status = 502, description = "no model service gave a reply"),
    ))]
pub(crate) async fn make_response(
    State(openai): State<Arc<OpenAi>>,
    Identified(identity): Identified,
    CorrelationId(correlation_id): CorrelationId,
    MessageHeaders { key, fresh }: MessageHeaders,
    OpenAiBody { mut call, bytes }: OpenAiBody<CreateResponse>,
) -> Result<Response, ApiError> {
    let sampling = call.sampling()?;
    let settings = call.settings()?;
    let (background, store) = (settings.background, settings.store);
    let conversation = call.conversation.map(|choice| match choice {
        ConversationChoice::Id(name) | ConversationChoice::Object { id: name } => name.0,
    });
    let brought = Brought::of(call.input.into_messages(), "input", openai.chat.config.server.max_content)?;
    let model = call.model.as_deref();
    let creation = Creation { model, brought, sampling, settings, conversation, key, fresh, call: &bytes };
    let user = identity.user;
    let Created { sent, asked } = Box::pin(accept_response(&openai, user, creation, &correlation_id)).await?;
    let chat = openai.chat.clone();
    let mut response = if background && call.stream != Some(true) {
        Json(ResponseView::new(asked)).into_response()
    } else {
        let reader = (!store).then(|| openai.attached.attach(user, sent.request.id));
        let reply = match Reply::follow_accepted(chat.clone(), &identity, sent.request.id).await {
            Ok(reply) => reply,
            Err(response) => return Ok(response),
        };
        if call.stream == Some(true) {
            event_stream::respond(Events::new(chat, user, asked, reply, reader, None).into_stream())
        } else {
            whole(&chat, user, asked, reply, reader).await?
        }
    };
    if sent.replayed {
        let (name, value) = REPLAYED;
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

/// How a response is read.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReadResponse {
    /// Whether to follow its events.
    stream: Option<bool>,
    /// With `stream`: the number of the last event that was seen.
    #[param(maximum = 10_000_000)]
    starting_after: Option<u32>,
}

/// A response as it stands, or its events
///
/// The events as long as the log is kept (`events.log_ttl`); after that those from the first to the last are made up
/// from what is stored.
#[utoipa::path(get, path = "/v1/responses/{id}", tag = super::TAG, security(("token" = ["chat:read"])), params(("id" = String, Path), ReadResponse),
    responses(
        (status = 200, content((ResponseView = "application/json"), (String = "text/event-stream"))),
        (status = 404, description = "no such response of yours"),
    ))]
pub(crate) async fn show_response(
    State(openai): State<Arc<OpenAi>>,
    Identified(identity): Identified,
    Id(id): Id<String>,
    Params(ReadResponse { stream, starting_after }): Params<ReadResponse>,
) -> Result<Response, ApiError> {
    let user = identity.user;
    if starting_after.is_some_and(|number| number > MAX_SEQUENCE_NUMBER) {
        return Err(ApiError::field("starting_after", "is the number of no event"));
    }
    let asked: Asked = find(&openai, user, &id).await?.into();
    if stream != Some(true) {
        return Ok(Json(ResponseView::new(asked)).into_response());
    }
    let chat = openai.chat.clone();
    let id = asked.request.id;
    let reply = Reply::follow(chat.clone(), &identity, id).await?;
    let is_kept = asked.options.response.as_ref().is_none_or(|settings| settings.store);
    let reader = (!is_kept && !asked.request.status.is_final()).then(|| openai.attached.attach(user, id));
    Ok(event_stream::respond(Events::new(chat, user, asked, reply, reader, starting_after).into_stream()))
}

/// Cancel a response
///
/// Any that has not ended. What was shown of it stays. One that has ended stays as it ended.
#[utoipa::path(post, path = "/v1/responses/{id}/cancel", tag = super::TAG, security(("token" = ["chat:write"])), params(("id" = String, Path)),
    responses((status = 200, body = ResponseView), (status = 404, description = "no such response of yours")))]
pub(crate) async fn stop_response(
    State(openai): State<Arc<OpenAi>>,
    Caller(user): Caller,
    Id(id): Id<String>,
) -> Result<Json<ResponseView>, ApiError> {
    let asked: Asked = find(&openai, user, &id).await?.into();
    let request = cancel_request(&openai.chat, user, asked.request.id).await?;
    Ok(Json(ResponseView::new(Asked { request, ..asked })))
}

/// A response that is no more.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeletedResponse {
    id: String,
    #[schema(example = "response")]
    object: &'static str,
    deleted: bool,
}

/// Delete a response
///
/// With its conversation, where that was made for it and has no other turn; else its turn stays there.
#[utoipa::path(delete, path = "/v1/responses/{id}", tag = super::TAG, security(("token" = ["chat:write"])), params(("id" = String, Path)),
    responses((status = 200, body = DeletedResponse), (status = 404, description = "no such response of yours")))]
pub(crate) async fn drop_response(
    State(openai): State<Arc<OpenAi>>,
    Caller(user): Caller,
    Id(id): Id<String>,
) -> Result<Json<DeletedResponse>, ApiError> {
    let Found { request, options, alone, .. } = find(&openai, user, &id).await?;
    let conversation_id = request.conversation_id;
    if !request.status.is_final() {
        cancel_request(&openai.chat, user, request.id).await?;
    }
    let is_own = options.response.is_some_and(|settings| !settings.in_conversation && settings.previous.is_none());
    if alone && is_own {
        conversations::delete(&openai.pool, user, conversation_id).await?;
        tell(&openai.chat, user, ConversationEvent::Deleted { conversation_id }).await;
    } else {
        responses::forget(&openai.pool, user, request.id).await?;
    }
    Ok(Json(DeletedResponse { id, object: "response", deleted: true }))
}

/// The input of a response
#[utoipa::path(get, path = "/v1/responses/{id}/input_items", tag = super::TAG, security(("token" = ["chat:read"])),
    params(("id" = String, Path), ItemPaging), responses((status = 200, body = Items), (status = 404, description = "no such response of yours")))]
pub(crate) async fn list_input_items(
    State(openai): State<Arc<OpenAi>>,
    Caller(user): Caller,
    Id(id): Id<String>,
    Params(paging): Params<ItemPaging>,
) -> Result<Json<Items>, ApiError> {
    let response = find(&openai, user, &id).await?;
    paging.page(Item::of_input(&response)).map(Json)
}

async fn find(openai: &OpenAi, user: UserId, id: &str) -> Result<Found, ApiError> {
    let ResponseId(id) = id.parse().map_err(|_| MISSING)?;
    responses::find(&openai.pool, user, id).await?.ok_or(MISSING)
}
