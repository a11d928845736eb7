//! A reply as `/v1` tells it: text that only grows, and an end.
//!
//! The protocols there cannot take text back. Requests of theirs are written so that they never have to (`keeps_text`
//! in the worker's failover); a log that was lost and begun again says the same text once more, which is passed over
//! here. Where a text differs from what was sent all the same, the stream ends with an error that says so.

use std::sync::Arc;

use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use troupe_core::{
    events::{Cursor, EventKind, Frame, TextChange},
    ids::RequestId,
    model::{Message, Usage, providers::Incomplete},
    problem::{Problem, ProblemCode},
};

use crate::{
    auth::identity::Identity,
    chat::{
        Chat,
        follow::{Followed, Follower},
    },
    http::error::{ApiError, failed_after_acceptance},
};

#[derive(Debug, PartialEq)]
pub(super) enum Step {
    Started,
    Text(String),
    End(End),
    /// Nothing has happened for a while.
    Quiet,
}

#[derive(Debug, PartialEq)]
pub(super) enum End {
    Completed {
        usage: Usage,
        incomplete: Option<Incomplete>,
        at: Option<DateTime<Utc>>,
    },
    Cancelled,
    Failed(Problem),
    /// It goes on, and is told no more of.
    Lost(Problem),
}

pub(super) struct Reply {
    follower: Follower,
    text: GrowingText,
    end: Option<End>,
    is_over: bool,
}

impl Reply {
    pub(super) async fn follow(chat: Arc<Chat>, identity: &Identity, id: RequestId) -> Result<Self, ApiError> {
        let follower = Follower::open(chat, identity, id, Cursor::START).await?;
        Ok(Self { follower, text: GrowingText::default(), end: None, is_over: false })
    }

    /// The reply to a question that was just accepted; or the response, where it cannot be followed.
    pub(super) async fn follow_accepted(chat: Arc<Chat>, identity: &Identity, id: RequestId) -> Result<Self, Response> {
        Self::follow(chat, identity, id).await.map_err(|error| {
            error.log_cause();
            failed_after_acceptance(error.problem())
        })
    }

    /// The end, once it is there. What was said before it may differ: nobody has seen it.
    pub(super) async fn end(&mut self) -> End {
        loop {
            match self.follower.next().await {
                Some(Followed::Event(frame)) if frame.kind.is_terminal() => {
                    self.text = GrowingText::default();
                    return self.end_of(&frame).map_or_else(lost, |(_, end)| end);
                }
                Some(_) => {}
                None => return lost(),
            }
        }
    }

    /// `None` after the end.
    pub(super) async fn next(&mut self) -> Option<Step> {
        if let Some(end) = self.end.take() {
            self.is_over = true;
            return Some(Step::End(end));
        }
        while !self.is_over {
            let frame = match self.follower.next().await {
                Some(Followed::Event(frame)) => frame,
                Some(Followed::Quiet) => return Some(Step::Quiet),
                None => {
                    self.is_over = true;
                    return Some(Step::End(lost()));
                }
            };
            if let Some(step) = self.step(&frame) {
                self.is_over = matches!(step, Step::End(_));
                return Some(step);
            }
        }
        None
    }

    /// All that was sent of it.
    pub(super) fn text(&self) -> &str {
        &self.text.sent
    }

    fn step(&mut self, frame: &Frame) -> Option<Step> {
        if frame.kind == EventKind::Started {
            return Some(Step::Started);
        }
        if let Some(change) = frame.text_change() {
            return match self.text.apply(change) {
                Ok(new) => (!new.is_empty()).then_some(Step::Text(new)),
                Err(Differs) => Some(Step::End(differs())),
            };
        }
        let (rest, end) = self.end_of(frame)?;
        if rest.is_empty() {
            return Some(Step::End(end));
        }
        self.end = Some(end);
        Some(Step::Text(rest))
    }

    /// The end, and text before it that was in no event.
    fn end_of(&mut self, frame: &Frame) -> Option<(String, End)> {
        if !frame.kind.is_terminal() {
            return None;
        }
        let Ok(Terminal { message, usage, incomplete, error }) = serde_json::from_slice(frame.json()) else {
            return Some((String::new(), differs()));
        };
        let at = message.as_ref().map(|message| message.created_at);
        let rest = message.map_or(Ok(String::new()), |message| self.text.complete(&message.content));
        let Ok(rest) = rest else { return Some((String::new(), differs())) };
        let end = match frame.kind {
            EventKind::Completed => End::Completed { usage: usage.unwrap_or_default(), incomplete, at },
            EventKind::Cancelled => End::Cancelled,
            _ => End::Failed(error.unwrap_or_else(|| Problem::new(ProblemCode::Internal, "it failed"))),
        };
        Some((rest, end))
    }
}

/// What terminal events carry.
#[derive(Deserialize)]
struct Terminal {
    message: Option<Message>,
    usage: Option<Usage>,
    incomplete: Option<Incomplete>,
    error: Option<Problem>,
}

fn differs() -> End {
    let detail = "the reply was begun anew, and what was sent of it does not hold; read it as a whole";
    End::Lost(Problem::new(ProblemCode::ProviderFailed, detail).with_retryable(false))
}

/// The reader was too slow, or its credential has ended.
fn lost() -> End {
    let detail = "the reply is followed no more; it may still come";
    End::Lost(Problem::new(ProblemCode::Unavailable, detail).with_retryable(false))
}

/// The text does not go on from what was sent.
#[derive(Debug, PartialEq, Eq)]
struct Differs;

/// What was sent, and how much of it the log has said again after its last reset.
#[derive(Debug, Default)]
struct GrowingText {
    sent: String,
    said: usize,
}

impl GrowingText {
    /// What is new.
    fn apply(&mut self, change: TextChange) -> Result<String, Differs> {
        let text = match change {
            TextChange::Reset { keep } => {
                self.said = self.sent.char_indices().nth(keep).map_or(self.sent.len(), |(at, _)| at);
                return Ok(String::new());
            }
            TextChange::Append(text) => text,
        };
        let again = &self.sent[self.said..];
        if again.starts_with(&text) {
            self.said += text.len();
            return Ok(String::new());
        }
        let new = text.strip_prefix(again).ok_or(Differs)?.to_owned();
        self.sent.push_str(&new);
        self.said = self.sent.len();
        Ok(new)
    }

    /// What is missing of the whole text.
    fn complete(&mut self, whole: &str) -> Result<String, Differs> {
        let rest = whole.strip_prefix(self.sent.as_str()).ok_or(Differs)?.to_owned();
        self.sent.push_str(&rest);
        self.said = self.sent.len();
        Ok(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(text: &str) -> TextChange {
        TextChange::Append(text.to_owned())
    }

    #[test]
    fn text_that_is_said_again_is_passed_over() {
        let mut text = GrowingText::default();
        assert_eq!(text.apply(append("The ")), Ok("The ".to_owned()));
        assert_eq!(text.apply(append("sea 🌊")), Ok("sea 🌊".to_owned()));
        assert_eq!(text.apply(TextChange::Reset { keep: 0 }), Ok(String::new()));
        assert_eq!(text.apply(append("The s")), Ok(String::new()));
        assert_eq!(text.apply(append("ea 🌊 is")), Ok(" is".to_owned()));
        assert_eq!(text.apply(TextChange::Reset { keep: 9 }), Ok(String::new()));
        assert_eq!(text.apply(append(" is wide")), Ok(" wide".to_owned()));
        assert_eq!(text.complete("The sea 🌊 is wide."), Ok(".".to_owned()));
        assert_eq!(text.sent, "The sea 🌊 is wide.");
    }

    #[test]
    fn text_that_differs_is_not_sent() {
        let mut text = GrowingText::default();
        text.apply(append("The sea")).unwrap();
        text.apply(TextChange::Reset { keep: 0 }).unwrap();
        assert_eq!(text.apply(append("A lake")), Err(Differs));
        assert_eq!(text.complete("A lake"), Err(Differs));
        assert_eq!(text.sent, "The sea");
    }
}
