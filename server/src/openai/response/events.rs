//! The events of a response: the request's log, with names and numbers of the protocol.
//!
//! Each number is one more than the last, across all attempts, and the same for everybody who follows, at any server:
//! they are counted along the log from its beginning. Where the log has gone, the events between the first and the last
//! are made up from what is stored, and the last one keeps its number.

use std::{collections::VecDeque, mem, sync::Arc};

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{Stream, stream};
use serde_json::{Value, json};
use troupe_core::{
    ids::UserId,
    model::{Request, RequestStatus},
    problem::Problem,
};
use troupe_db::replies::{requests, responses};

use super::view::{
    Asked, COMPLETED, IN_PROGRESS, INCOMPLETE, OutputMessage, OutputText, ResponseView, incomplete_details,
};
use crate::{
    chat::{Chat, event_stream::STILL_HERE},
    http::error::{ApiError, failed_after_acceptance},
    openai::{
        attached::Reader,
        reply::{End, Reply, Step},
    },
};

const DONE: &[u8] = b"data: [DONE]\n\n";

/// The whole response, once it has ended. `reader`: where nobody else may want it.
pub(in crate::openai) async fn whole(
    chat: &Chat,
    user: UserId,
    asked: Asked,
    mut reply: Reply,
    reader: Option<Reader>,
) -> Result<Response, ApiError> {
    let end = reply.end().await;
    if let Some(reader) = reader {
        reader.done();
    }
    if let End::Failed(problem) | End::Lost(problem) = end {
        return Ok(failed_after_acceptance(problem));
    }
    let request = requests::find(&chat.pool, user, asked.request.id).await?.ok_or(ApiError::NotFound("response"))?;
    Ok(axum::Json(ResponseView::new(Asked { request, place: None, ..asked })).into_response())
}

/// Events of a response, as Server-Sent Events.
pub(in crate::openai) struct Events {
    chat: Arc<Chat>,
    user: UserId,
    reply: Reply,
    /// Dropped at the end, or with the caller.
    reader: Option<Reader>,
    progress: Progress,
    pending: VecDeque<Bytes>,
    is_over: bool,
}

impl Events {
    /// Those after a number; all without one.
    pub(in crate::openai) fn new(
        chat: Arc<Chat>,
        user: UserId,
        asked: Asked,
        reply: Reply,
        reader: Option<Reader>,
        after: Option<u32>,
    ) -> Self {
        let mut progress = Progress::new(asked, after);
        let pending = progress.begin().into();
        Self { chat, user, reply, reader, progress, pending, is_over: false }
    }

    pub(in crate::openai) fn into_stream(self) -> impl Stream<Item = Bytes> + Send {
        stream::unfold(self, |mut events| async move {
            let bytes = events.next().await?;
            Some((bytes, events))
        })
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(bytes) = self.pending.pop_front() {
                return Some(bytes);
            }
            if self.is_over {
                return None;
            }
            match self.reply.next().await? {
                Step::Quiet => return Some(Bytes::from_static(STILL_HERE)),
                Step::Started => self.pending.extend(self.progress.start()),
                Step::Text(text) => self.pending.extend(self.progress.text(&text)),
                Step::End(end) => {
                    self.is_over = true;
                    if let Some(reader) = self.reader.take() {
                        reader.done();
                    }
                    if let End::Lost(problem) = &end {
                        self.pending.extend(self.progress.lose(problem));
                        continue;
                    }
                    self.pending.extend(self.progress.end(&end, self.reply.text()));
                    self.pending.push_back(Bytes::from_static(DONE));
                    self.keep_last_number().await;
                }
            }
        }
    }

    /// For those who come when the log has gone.
    async fn keep_last_number(&self) {
        let Progress { number, last_kept: None, is_counted: true, asked, .. } = &self.progress else { return };
        let kept = responses::keep_last_number(&self.chat.pool, self.user, asked.request.id, number - 1).await;
        if let Err(error) = kept {
            tracing::debug!(%error, "the number of a last event was not kept");
        }
    }
}

/// What was told so far.
struct Progress {
    asked: Asked,
    after: Option<u32>,
    /// Of the next event.
    number: u32,
    /// Of the last event, as it was told before.
    last_kept: Option<u32>,
    /// Whether the number is that of the log, and not made up.
    is_counted: bool,
    started: bool,
    has_text: bool,
}

impl Progress {
    fn new(asked: Asked, after: Option<u32>) -> Self {
        let settings = asked.options.response.as_ref();
        let last_kept = settings.and_then(|settings| settings.last_sequence_number);
        Self { asked, after, number: 0, last_kept, is_counted: true, started: false, has_text: false }
    }

    fn begin(&mut self) -> Vec<Bytes> {
        let queued = json!(self.response(RequestStatus::Queued));
        let created = self.event("response.created", json!({ "response": queued }));
        let queued = self.event("response.queued", json!({ "response": queued }));
        created.into_iter().chain(queued).collect()
    }

    /// Once: later attempts go on.
    fn start(&mut self) -> Option<Bytes> {
        if mem::replace(&mut self.started, true) {
            return None;
        }
        let response = json!(self.response(RequestStatus::InProgress));
        self.event("response.in_progress", json!({ "response": response }))
    }

    fn text(&mut self, text: &str) -> Vec<Bytes> {
        let mut events: Vec<_> = self.start().into_iter().collect();
        if !mem::replace(&mut self.has_text, true) {
            let item = self.message(IN_PROGRESS, Vec::new());
            events.extend(self.event("response.output_item.added", json!({"output_index": 0, "item": item})));
            let part = OutputText::new(String::new());
            events.extend(self.part_event("response.content_part.added", json!({ "part": part })));
        }
        events.extend(self.part_event("response.output_text.delta", json!({"delta": text, "logprobs": []})));
        events
    }

    fn end(&mut self, end: &End, text: &str) -> Vec<Bytes> {
        let (status, name) = match end {
            End::Completed { incomplete: None, .. } => (COMPLETED, "response.completed"),
            End::Completed { .. } => (INCOMPLETE, "response.incomplete"),
            End::Cancelled => ("cancelled", "response.incomplete"),
            End::Failed(_) | End::Lost(_) => ("failed", "response.failed"),
        };
        let has_message = self.has_text && !matches!(end, End::Failed(_));
        let before_last = if has_message { 3 } else { 0 };
        // Of those who were told more than there is now, none may miss the end, or be told of it twice.
        let counted = self.number;
        self.number = match (self.last_kept, self.after) {
            (Some(last), _) => counted.max(last.saturating_sub(before_last)),
            (None, Some(after)) => counted.max(after + 1),
            (None, None) => counted,
        };
        self.is_counted = self.number == counted;
        let mut events = Vec::new();
        let mut output = Vec::new();
        if has_message {
            let item_status = if status == COMPLETED { COMPLETED } else { INCOMPLETE };
            let part = OutputText::new(text.to_owned());
            output.push(self.message(item_status, vec![part.clone()]));
            events.extend(self.part_event("response.output_text.done", json!({"text": text, "logprobs": []})));
            events.extend(self.part_event("response.content_part.done", json!({ "part": part })));
            events.extend(self.event("response.output_item.done", json!({"output_index": 0, "item": output[0]})));
        }
        let mut response = self.ended(end);
        response.status = status;
        response.output = output;
        events.extend(self.event(name, json!({ "response": response })));
        events
    }

    /// The response goes on, and is told no more of here.
    fn lose(&mut self, problem: &Problem) -> Option<Bytes> {
        self.after = None;
        self.event("error", json!({"code": problem.code(), "message": problem.detail, "param": null}))
    }

    fn ended(&self, end: &End) -> ResponseView {
        let mut view = self.response(RequestStatus::InProgress);
        match end {
            End::Completed { usage, incomplete, at } => {
                view.incomplete_details = incomplete.map(incomplete_details);
                view.usage = Some((*usage).into());
                view.completed_at = at.filter(|_| incomplete.is_none()).map(|at| at.timestamp());
            }
            End::Cancelled => {}
            End::Failed(problem) | End::Lost(problem) => view.error = Some(problem.into()),
        }
        view
    }

    fn message(&self, status: &'static str, content: Vec<OutputText>) -> OutputMessage {
        OutputMessage::new(self.asked.request.id, status, content)
    }

    /// As it was then.
    fn response(&self, status: RequestStatus) -> ResponseView {
        let Asked { request, .. } = &self.asked;
        let request = Request { status, reply: None, incomplete: None, error: None, usage: None, ..request.clone() };
        let place = self.asked.place.filter(|_| status == RequestStatus::Queued);
        ResponseView::new(Asked { request, place, ..self.asked.clone() })
    }

    /// An event of the one text of the one message.
    fn part_event(&mut self, name: &str, mut fields: Value) -> Option<Bytes> {
        fields["item_id"] = json!(OutputMessage::id(self.asked.request.id));
        fields["output_index"] = json!(0);
        fields["content_index"] = json!(0);
        self.event(name, fields)
    }

    /// `None` for one that the caller has seen.
    fn event(&mut self, name: &str, mut fields: Value) -> Option<Bytes> {
        let number = self.number;
        self.number += 1;
        if self.after.is_some_and(|after| number <= after) {
            return None;
        }
        fields["type"] = json!(name);
        fields["sequence_number"] = json!(number);
        Some(format!("event: {name}\ndata: {fields}\n\n").into())
    }
}
