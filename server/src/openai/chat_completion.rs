//! A reply as a chat completion: as a whole, or in chunks.

use std::mem;

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use bytes::{BufMut, Bytes, BytesMut};
use futures::{Stream, stream};
use serde::Serialize;
use troupe_core::{
    ids::{ConversationId, RequestId},
    model::{Request, Usage, providers::Incomplete},
    problem::{Problem, ProblemCode},
};
use utoipa::ToSchema;

use super::{
    attached::Reader,
    reply::{End, Reply, Step},
};
use crate::{
    chat::event_stream::STILL_HERE,
    http::error::{failed_after_acceptance, openai::OpenAiError},
};

const DONE: &[u8] = b"data: [DONE]\n\n";

/// A reply.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChatCompletion {
    #[schema(example = "chatcmpl-01934a7e3c5b7d1a9f2e4c6b8a0d1e3f")]
    id: String,
    #[schema(example = "chat.completion")]
    object: &'static str,
    /// In seconds since 1970.
    created: i64,
    model: String,
    /// One.
    #[schema(inline)]
    choices: [Choice; 1],
    #[schema(inline)]
    usage: TokenCounts,
    #[schema(inline)]
    troupe: Origin,
}

/// Where the reply is found in the API of this service.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
struct Origin {
    request_id: RequestId,
    conversation_id: ConversationId,
}

#[derive(Debug, Serialize, ToSchema)]
struct Choice {
    index: u32,
    #[schema(inline)]
    message: CompletionMessage,
    #[schema(example = "stop")]
    finish_reason: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
struct CompletionMessage {
    #[schema(example = "assistant")]
    role: &'static str,
    content: String,
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names of the protocol")]
struct TokenCounts {
    prompt_tokens: u32,
    completion_tokens: u32,
    total_tokens: u32,
}

impl From<Usage> for TokenCounts {
    fn from(Usage { prompt_tokens, completion_tokens, .. }: Usage) -> Self {
        Self { prompt_tokens, completion_tokens, total_tokens: prompt_tokens.saturating_add(completion_tokens) }
    }
}

/// What a completion and all its chunks have in common.
pub(super) struct Head {
    id: String,
    created: i64,
    model: String,
    origin: Origin,
}

impl Head {
    pub(super) fn new(request: &Request, model: String) -> Self {
        Self {
            id: format!("chatcmpl-{}", request.id.as_uuid().simple()),
            created: request.created_at.timestamp(),
            model,
            origin: Origin { request_id: request.id, conversation_id: request.conversation_id },
        }
    }
}

/// The whole reply, once it has ended.
pub(super) async fn whole(head: Head, mut reply: Reply, reader: Option<Reader>) -> Response {
    let end = reply.end().await;
    if let Some(reader) = reader {
        reader.done();
    }
    let (usage, finish_reason) = match end {
        End::Completed { usage, incomplete, .. } => (usage, finish_reason(incomplete)),
        End::Cancelled => return failed_after_acceptance(cancelled()),
        End::Failed(problem) | End::Lost(problem) => return failed_after_acceptance(problem),
    };
    let message = CompletionMessage { role: "assistant", content: reply.text().to_owned() };
    let Head { id, created, model, origin } = head;
    let completion = ChatCompletion {
        id,
        object: "chat.completion",
        created,
        model,
        choices: [Choice { index: 0, message, finish_reason }],
        usage: usage.into(),
        troupe: origin,
    };
    Json(completion).into_response()
}

/// What there is of it is no answer.
fn cancelled() -> Problem {
    Problem::new(ProblemCode::Cancelled, "the reply was cancelled before its end")
}

const STOP: &str = "stop";

const fn finish_reason(incomplete: Option<Incomplete>) -> &'static str {
    match incomplete {
        None => STOP,
        Some(Incomplete::Filtered) => "content_filter",
        Some(Incomplete::Length | Incomplete::Cut) => "length",
    }
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: &'a [ChunkChoice<'a>],
    #[serde(skip_serializing_if = "ChunkUsage::is_unwanted")]
    usage: ChunkUsage,
}

#[derive(Serialize)]
struct ChunkChoice<'a> {
    index: u32,
    delta: Delta<'a>,
    finish_reason: Option<&'static str>,
}

#[derive(Default, Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
}

/// Null until the last chunk, where it is wanted at all.
#[derive(Clone, Copy, Serialize)]
#[serde(untagged)]
enum ChunkUsage {
    Unwanted,
    Pending,
    Counted(TokenCounts),
}

impl ChunkUsage {
    const fn is_unwanted(&self) -> bool {
        matches!(self, Self::Unwanted)
    }
}

/// The chunks of a reply, as Server-Sent Events.
pub(super) struct Chunks {
    head: Head,
    reply: Reply,
    /// Until the end, where the reply goes with its caller.
    reader: Option<Reader>,
    is_over: bool,
    with_usage: bool,
    /// The first chunk is to come.
    is_new: bool,
}

impl Chunks {
    pub(super) fn new(head: Head, reply: Reply, reader: Option<Reader>, with_usage: bool) -> Self {
        Self { head, reply, reader, is_over: false, with_usage, is_new: true }
    }

    pub(super) fn into_stream(self) -> impl Stream<Item = Bytes> + Send {
        stream::unfold(self, |mut chunks| async move {
            let bytes = chunks.next().await?;
            Some((bytes, chunks))
        })
    }

    async fn next(&mut self) -> Option<Bytes> {
        if mem::take(&mut self.is_new) {
            let first = Delta { role: Some("assistant"), content: Some("") };
            return Some(self.delta(first, None));
        }
        if self.is_over {
            return None;
        }
        loop {
            return Some(match self.reply.next().await? {
                Step::Started => continue,
                Step::Quiet => Bytes::from_static(STILL_HERE),
                Step::Text(text) => self.delta(Delta { role: None, content: Some(&text) }, None),
                Step::End(end) => self.end(&end),
            });
        }
    }

    fn end(&mut self, end: &End) -> Bytes {
        self.is_over = true;
        if let Some(reader) = self.reader.take() {
            reader.done();
        }
        let (usage, finish_reason) = match end {
            End::Completed { usage, incomplete, .. } => (*usage, finish_reason(*incomplete)),
            End::Cancelled => return event(&OpenAiError::from(&cancelled())),
            End::Failed(problem) | End::Lost(problem) => return event(&OpenAiError::from(problem)),
        };
        let last = self.delta(Delta::default(), Some(finish_reason));
        let counted = self.with_usage.then(|| self.chunk(&[], ChunkUsage::Counted(usage.into())));
        [last, counted.unwrap_or_default(), Bytes::from_static(DONE)].concat().into()
    }

    fn delta(&self, delta: Delta<'_>, finish_reason: Option<&'static str>) -> Bytes {
        let usage = if self.with_usage { ChunkUsage::Pending } else { ChunkUsage::Unwanted };
        self.chunk(&[ChunkChoice { index: 0, delta, finish_reason }], usage)
    }

    fn chunk(&self, choices: &[ChunkChoice<'_>], usage: ChunkUsage) -> Bytes {
        let Head { id, created, model, .. } = &self.head;
        event(&Chunk { id, object: "chat.completion.chunk", created: *created, model, choices, usage })
    }
}

/// An event without a name.
fn event(data: &impl Serialize) -> Bytes {
    let mut text = BytesMut::with_capacity(256).writer();
    text.get_mut().put_slice(b"data: ");
    // Infallible: into memory.
    _ = serde_json::to_writer(&mut text, data);
    let mut text = text.into_inner();
    text.put_slice(b"\n\n");
    text.freeze()
}
