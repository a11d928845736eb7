//! A response as its caller sees it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};
use troupe_core::{
    ids::{ConversationId, RequestId},
    model::{
        QueuePosition, Request, RequestStatus, Usage,
        caller_options::{CallerOptions, Truncation},
        providers::Incomplete,
    },
    problem::{Problem, ProblemCode},
};
use utoipa::ToSchema;

use super::id::{ConversationName, ResponseId};

/// What a response is made of.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) model: String,
    /// The persona's.
    pub(crate) temperature: f32,
    pub(crate) options: CallerOptions,
    pub(crate) request: Request,
    pub(crate) place: Option<QueuePosition>,
}

impl From<troupe_db::replies::responses::Response> for Asked {
    fn from(response: troupe_db::replies::responses::Response) -> Self {
        let troupe_db::replies::responses::Response { model, temperature, mut options, request, .. } = response;
        // It may be long, and no view has it.
        options.history = None;
        Self { model, temperature, options, request, place: None }
    }
}

/// A reply, asked for over this protocol, in the shape of Open Responses.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Response)]
pub(crate) struct ResponseView {
    #[schema(example = "resp_01934a7e3c5b7d1a9f2e4c6b8a0d1e3f")]
    id: ResponseId,
    #[schema(example = "response")]
    object: &'static str,
    /// In seconds since 1970.
    created_at: i64,
    pub(super) completed_at: Option<i64>,
    /// `queued`, `in_progress`, `completed`, `incomplete`, `failed` or `cancelled`.
    #[schema(example = "completed")]
    pub(super) status: &'static str,
    #[schema(inline)]
    pub(super) incomplete_details: Option<IncompleteDetails>,
    #[schema(inline)]
    pub(super) error: Option<ResponseFault>,
    /// A persona's slug.
    model: String,
    previous_response_id: Option<ResponseId>,
    #[schema(inline)]
    conversation: Option<ConversationRef>,
    instructions: Option<String>,
    /// One message, once there is any of it.
    #[schema(inline)]
    pub(super) output: Vec<OutputMessage>,
    #[schema(inline)]
    pub(super) usage: Option<ResponseUsage>,
    background: bool,
    store: bool,
    metadata: BTreeMap<String, String>,
    temperature: f64,
    top_p: f64,
    presence_penalty: f64,
    frequency_penalty: f64,
    max_output_tokens: Option<u32>,
    #[schema(value_type = String, example = "auto")]
    truncation: Truncation,
    user: Option<String>,
    safety_identifier: Option<String>,
    prompt_cache_key: Option<String>,
    tools: [Value; 0],
    #[schema(example = "auto")]
    tool_choice: &'static str,
    parallel_tool_calls: bool,
    max_tool_calls: Option<u32>,
    top_logprobs: u32,
    #[schema(value_type = Object)]
    text: Value,
    #[schema(value_type = Option<Object>)]
    reasoning: Option<Value>,
    #[schema(example = "default")]
    service_tier: &'static str,
    #[schema(inline)]
    troupe: ResponseOrigin,
}

/// Where the reply is found in the API of this service; and, of one that was just sent, its place in the queue.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
struct ResponseOrigin {
    request_id: RequestId,
    conversation_id: ConversationId,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<QueuePosition>,
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(super) struct IncompleteDetails {
    #[schema(example = "max_output_tokens")]
    reason: &'static str,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct ResponseFault {
    /// One of the few that the protocol has.
    #[schema(example = "server_error")]
    code: &'static str,
    /// Ours: see /docs/problems.
    #[schema(example = "provider_failed")]
    r#type: String,
    message: String,
}

impl From<&Problem> for ResponseFault {
    fn from(problem: &Problem) -> Self {
        let r#type = problem.code().to_owned();
        let code = match problem.status() {
            429 => "rate_limit_exceeded",
            _ if r#type == ProblemCode::PromptTooLong.name() => "invalid_prompt",
            _ => "server_error",
        };
        Self { code, r#type, message: problem.detail.clone() }
    }
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
struct ConversationRef {
    id: ConversationName,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct OutputMessage {
    #[schema(example = "message")]
    pub(super) r#type: &'static str,
    pub(super) id: String,
    pub(super) status: &'static str,
    #[schema(example = "assistant")]
    pub(super) role: &'static str,
    #[schema(inline)]
    pub(super) content: Vec<OutputText>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct OutputText {
    #[schema(example = "output_text")]
    r#type: &'static str,
    text: String,
    annotations: [Value; 0],
    logprobs: [Value; 0],
}

impl OutputText {
    pub(super) const fn new(text: String) -> Self {
        Self { r#type: "output_text", text, annotations: [], logprobs: [] }
    }
}

impl OutputMessage {
    pub(super) fn new(request: RequestId, status: &'static str, content: Vec<OutputText>) -> Self {
        Self { r#type: "message", id: Self::id(request), status, role: "assistant", content }
    }

    /// It is known before there is a reply.
    pub(super) fn id(request: RequestId) -> String {
        format!("msg_{}", request.as_uuid().simple())
    }
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(super) struct ResponseUsage {
    input_tokens: u32,
    #[schema(inline)]
    input_tokens_details: InputDetails,
    output_tokens: u32,
    #[schema(inline)]
    output_tokens_details: OutputDetails,
    total_tokens: u32,
}

#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
struct InputDetails {
    cached_tokens: u32,
    cache_write_tokens: u32,
}

#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
struct OutputDetails {
    reasoning_tokens: u32,
}

impl From<Usage> for ResponseUsage {
    fn from(Usage { prompt_tokens, completion_tokens, .. }: Usage) -> Self {
        Self {
            input_tokens: prompt_tokens,
            input_tokens_details: InputDetails::default(),
            output_tokens: completion_tokens,
            output_tokens_details: OutputDetails::default(),
            total_tokens: prompt_tokens.saturating_add(completion_tokens),
        }
    }
}

impl ResponseView {
    pub(crate) fn new(asked: Asked) -> Self {
        let Asked { model, temperature, options, request, place } = asked;
        let CallerOptions { sampling, response, .. } = options;
        let settings = response.unwrap_or_default();
        let details = request.incomplete.map(incomplete_details);
        let status = match request.status {
            RequestStatus::Completed if details.is_some() => INCOMPLETE,
            status => status_name(status),
        };
        let item_status = if status == COMPLETED { COMPLETED } else { INCOMPLETE };
        let output = request
            .reply
            .map(|reply| OutputMessage::new(request.id, item_status, vec![OutputText::new(reply.content)]));
        let conversation = ConversationRef { id: ConversationName(request.conversation_id) };
        Self {
            id: ResponseId(request.id),
            object: "response",
            created_at: request.created_at.timestamp(),
            completed_at: request.finished_at.filter(|_| status == COMPLETED).map(|at| at.timestamp()),
            status,
            incomplete_details: details,
            error: request.error.as_ref().map(Into::into),
            model,
            previous_response_id: settings.previous.map(ResponseId),
            conversation: settings.store.then_some(conversation),
            instructions: settings.instructions,
            output: output.into_iter().collect(),
            usage: request.usage.map(Into::into),
            background: settings.background,
            store: settings.store,
            metadata: settings.metadata,
            temperature: as_written(sampling.temperature.unwrap_or(temperature)),
            top_p: as_written(sampling.top_p.unwrap_or(1.0)),
            presence_penalty: as_written(sampling.presence_penalty.unwrap_or_default()),
            frequency_penalty: as_written(sampling.frequency_penalty.unwrap_or_default()),
            max_output_tokens: sampling.max_tokens,
            truncation: settings.truncation,
            user: settings.user,
            safety_identifier: settings.safety_identifier,
            prompt_cache_key: settings.prompt_cache_key,
            tools: [],
            tool_choice: "auto",
            parallel_tool_calls: true,
            max_tool_calls: None,
            top_logprobs: 0,
            text: json!({"format": {"type": "text"}}),
            reasoning: None,
            service_tier: "default",
            troupe: ResponseOrigin { request_id: request.id, conversation_id: request.conversation_id, place },
        }
    }
}

pub(super) const COMPLETED: &str = "completed";
pub(super) const INCOMPLETE: &str = "incomplete";
pub(super) const IN_PROGRESS: &str = "in_progress";

/// 0.7, and not the nearest number of four bytes.
fn as_written(number: f32) -> f64 {
    number.to_string().parse().unwrap_or_else(|_| number.into())
}

const fn status_name(status: RequestStatus) -> &'static str {
    match status {
        RequestStatus::Queued => "queued",
        RequestStatus::InProgress => IN_PROGRESS,
        RequestStatus::Completed => COMPLETED,
        RequestStatus::Failed => "failed",
        RequestStatus::Cancelled => "cancelled",
    }
}

pub(super) const fn incomplete_details(incomplete: Incomplete) -> IncompleteDetails {
    let reason = match incomplete {
        Incomplete::Filtered => "content_filter",
        Incomplete::Length | Incomplete::Cut => "max_output_tokens",
    };
    IncompleteDetails { reason }
}
