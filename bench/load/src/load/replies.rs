//! The replies of one user, as a socket shows them: put together piece by piece, and compared with the whole.
//!
//! A reply is known by its request's id from two sides, the socket's events and the 202 of the call that sent the
//! message. Either may come first; the times of a reply are recorded when both have.

use std::{collections::HashMap, time::Instant};

use serde::Deserialize;
use tokio::sync::oneshot;

use crate::figures::Figures;

/// A message that was accepted.
pub(crate) struct Sent {
    pub(crate) request_id: String,
    /// When it was due.
    pub(crate) due: Instant,
    pub(crate) accepted_at: Instant,
    /// Is notified when the reply has ended.
    pub(crate) awaited: Option<oneshot::Sender<()>>,
}

/// What a socket says of replies.
#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
pub(crate) enum Event {
    /// The first frame, and another one after a gap: the texts so far of all replies that run.
    #[serde(rename = "hello")]
    Hello { active: Vec<Active> },
    #[serde(rename = "reply.delta")]
    Delta { request_id: String, text: String },
    /// So many characters still stand.
    #[serde(rename = "reply.reset")]
    Reset { request_id: String, keep: usize },
    #[serde(rename = "reply.completed")]
    Completed { request_id: String, message: Message },
    #[serde(rename = "request.failed", alias = "request.cancelled")]
    Failed { request_id: String },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Active {
    request_id: String,
    #[serde(default)]
    text: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Message {
    content: String,
}

#[derive(Default)]
struct Reply {
    sent: Option<Sent>,
    first_event_at: Option<Instant>,
    text: String,
    /// A snapshot did not list it: pieces were missed.
    gap: bool,
    end: Option<End>,
}

struct End {
    at: Instant,
    outcome: Outcome,
}

enum Outcome {
    Completed,
    Garbled,
    Failed,
}

/// The replies of one user that are not yet recorded, and the figures of those that are.
#[derive(Default)]
pub(crate) struct Replies {
    open: HashMap<String, Reply>,
    figures: Figures,
}

impl Replies {
    pub(crate) fn sent(&mut self, sent: Result<Sent, anyhow::Error>) {
        self.figures.sent += 1;
        match sent {
            Ok(sent) => {
                let id = sent.request_id.clone();
                self.figures.accepted.record(sent.accepted_at - sent.due);
                self.open.entry(id.clone()).or_default().sent = Some(sent);
                self.record(&id);
            }
            Err(error) => self.figures.refuse(&error),
        }
    }

    pub(crate) fn event(&mut self, event: Event, at: Instant) {
        match event {
            Event::Hello { active } => self.snapshot(active),
            Event::Delta { request_id, text } => self.reply(request_id, at).text.push_str(&text),
            Event::Reset { request_id, keep } => {
                let text = &mut self.reply(request_id, at).text;
                text.truncate(text.char_indices().nth(keep).map_or(text.len(), |(index, _)| index));
            }
            Event::Completed { request_id, message } => {
                let reply = self.reply(request_id.clone(), at);
                let whole = message.content;
                let intact = if reply.gap { whole.starts_with(&reply.text) } else { whole == reply.text };
                let outcome = if intact { Outcome::Completed } else { Outcome::Garbled };
                reply.end = Some(End { at, outcome });
                self.record(&request_id);
            }
            Event::Failed { request_id } => {
                self.reply(request_id.clone(), at).end = Some(End { at, outcome: Outcome::Failed });
                self.record(&request_id);
            }
            Event::Other => {}
        }
    }

    fn reply(&mut self, request_id: String, at: Instant) -> &mut Reply {
        let reply = self.open.entry(request_id).or_default();
        reply.first_event_at.get_or_insert(at);
        reply
    }

    /// A snapshot replaces the texts so far. What it does not list has ended, or has not begun.
    fn snapshot(&mut self, active: Vec<Active>) {
        for reply in self.open.values_mut() {
            reply.gap = true;
        }
        for active in active {
            let reply = self.open.entry(active.request_id).or_default();
            reply.text = active.text;
            reply.gap = false;
        }
    }

    /// Closes a reply that was both accepted and ended.
    fn record(&mut self, request_id: &str) {
        let closed = |reply: &Reply| reply.sent.is_some() && reply.end.is_some();
        if !self.open.get(request_id).is_some_and(closed) {
            return;
        }
        let Some(Reply { sent: Some(sent), end: Some(end), first_event_at, .. }) = self.open.remove(request_id) else {
            return;
        };
        let since_due = |at: Instant| at.saturating_duration_since(sent.due);
        if let Some(at) = first_event_at {
            self.figures.first_event.record(since_due(at));
        }
        if matches!(end.outcome, Outcome::Failed) {
            self.figures.failed += 1;
        } else {
            self.figures.completed.record(since_due(end.at));
            self.figures.garbled += u64::from(matches!(end.outcome, Outcome::Garbled));
        }
        if let Some(awaited) = sent.awaited {
            // Nobody waits for a reply that comes too late.
            _ = awaited.send(());
        }
    }

    /// Whether every message that was accepted has its reply.
    pub(crate) fn complete(&self) -> bool {
        self.open.values().all(|reply| reply.sent.is_none())
    }

    /// The figures, with what is still open.
    pub(crate) fn finish(mut self) -> Figures {
        for reply in self.open.values() {
            self.figures.lost += u64::from(reply.sent.is_some());
            // One that only a snapshot lists had no events of its own.
            self.figures.doubled += u64::from(reply.sent.is_none() && reply.first_event_at.is_some());
        }
        self.figures
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;

    fn accepted(id: &str) -> Sent {
        let due = Instant::now();
        Sent { request_id: id.to_owned(), due, accepted_at: due + Duration::from_millis(1), awaited: None }
    }

    fn replies(frames: impl IntoIterator<Item = Value>) -> Replies {
        let mut replies = Replies::default();
        for frame in frames {
            replies.event(serde_json::from_value(frame).expect("an event"), Instant::now());
        }
        replies
    }

    fn delta(id: &str, text: &str) -> Value {
        json!({"type": "reply.delta", "request_id": id, "conversation_id": "c", "cursor": "1-1", "text": text})
    }

    fn completed(id: &str, content: &str) -> Value {
        json!({"type": "reply.completed", "request_id": id, "message": {"content": content, "role": "assistant"}})
    }

    #[test]
    fn a_reply_may_overtake_the_202_of_its_message() {
        let mut replies = replies([delta("a", "the "), delta("a", "sea"), completed("a", "the sea")]);
        replies.sent(Ok(accepted("a")));
        assert!(replies.complete());
        let figures = replies.finish();
        assert_eq!((figures.sent, figures.completed.count(), figures.first_event.count()), (1, 1, 1));
        assert_eq!((figures.garbled, figures.lost, figures.doubled), (0, 0, 0));
    }

    #[test]
    fn pieces_that_are_not_the_whole_are_garbled() {
        let mut replies = replies([delta("a", "the "), completed("a", "the sea")]);
        replies.sent(Ok(accepted("a")));
        assert_eq!(replies.finish().garbled, 1);
    }

    #[test]
    fn a_reset_takes_back_whole_characters() {
        let reset = json!({"type": "reply.reset", "request_id": "a", "keep": 2});
        let mut replies = replies([delta("a", "öäü"), reset, delta("a", "!"), completed("a", "öä!")]);
        replies.sent(Ok(accepted("a")));
        assert_eq!(replies.finish().garbled, 0);
    }

    #[test]
    fn after_a_gap_the_pieces_need_only_be_the_beginning() {
        let hello = json!({"type": "hello", "active": [{"request_id": "b", "text": "the waves"}], "completed": []});
        let mut replies = replies([
            delta("a", "the "),
            delta("b", "the "),
            hello,
            completed("a", "the sea"),
            delta("b", " come"),
            completed("b", "the waves come"),
        ]);
        replies.sent(Ok(accepted("a")));
        replies.sent(Ok(accepted("b")));
        let figures = replies.finish();
        assert_eq!((figures.completed.count(), figures.garbled), (2, 0));
    }

    #[test]
    fn what_never_ends_is_lost_and_what_comes_after_an_end_is_doubled() {
        let mut replies = replies([json!({"type": "conversation.updated"}), completed("a", "")]);
        replies.sent(Ok(accepted("a")));
        replies.sent(Ok(accepted("b")));
        replies.event(serde_json::from_value(completed("a", "")).expect("an event"), Instant::now());
        replies.sent(Err(anyhow::anyhow!("503")));
        assert!(!replies.complete());
        let figures = replies.finish();
        assert_eq!((figures.sent, figures.lost, figures.doubled, figures.refused), (3, 1, 1, 1));
        assert_eq!(figures.error.as_deref(), Some("503"));
    }

    #[test]
    fn a_failure_is_no_reply() {
        let mut replies = replies([json!({"type": "request.failed", "request_id": "a", "error": {}})]);
        replies.sent(Ok(accepted("a")));
        let figures = replies.finish();
        assert_eq!((figures.failed, figures.completed.count(), figures.lost), (1, 0, 0));
    }
}
