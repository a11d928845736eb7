//! Events of a request, each at a cursor `attempt-n`.
//!
//! A worker encodes an event once, as a [`Frame`]: a short header for the servers and the JSON for the clients. Servers
//! route by the header and forward the JSON without parsing it. [`Transcript`] defines how events add up to a reply;
//! every client must do the same.

use std::{fmt, str::FromStr};

use bytes::Bytes;
use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    ids::{ConversationId, RequestId},
    model::{Conversation, Message, QueuePosition, Usage, grounding::Grounding, providers::Incomplete},
    problem::Problem,
    trace::TraceParent,
};

/// The position of an event in its request. Monotonic: events at or below the last one seen are duplicates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Cursor {
    pub attempt: u32,
    pub n: u32,
}

impl Cursor {
    /// Before every event.
    pub const START: Self = Self { attempt: 0, n: 0 };
    /// Of `request.queued`, before any attempt.
    pub const QUEUED: Self = Self { attempt: 0, n: 1 };
    /// After every event: of a request in a final state.
    pub const END: Self = Self { attempt: u32::MAX, n: u32::MAX };

    /// Of an end that the attempt did not publish itself: after all of its events.
    pub const fn end_of(attempt: u32) -> Self {
        Self { attempt, n: u32::MAX }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.attempt, self.n)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cursor looks like 1-17")]
pub struct BadCursor;

impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let (attempt, n) = text.split_once('-').ok_or(BadCursor)?;
        Ok(Self { attempt: attempt.parse().map_err(|_| BadCursor)?, n: n.parse().map_err(|_| BadCursor)? })
    }
}

impl Serialize for Cursor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

macro_rules! kinds {
    ($($kind:ident = $name:literal),+ $(,)?) => {
        /// The `type` of an event.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
        pub enum EventKind {
            $(#[serde(rename = $name)] $kind,)+
        }

        impl EventKind {
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)+
                }
            }

            fn parse(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$kind),)+
                    _ => None,
                }
            }
        }
    };
}

kinds! {
    Queued = "request.queued",
    Started = "request.started",
    Delta = "reply.delta",
    Reset = "reply.reset",
    Completed = "reply.completed",
    Failed = "request.failed",
    Cancelled = "request.cancelled",
    ConversationUpdated = "conversation.updated",
    ConversationDeleted = "conversation.deleted",
}

impl EventKind {
    /// Whether it is the last.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    /// Whether it belongs to a request, and has a cursor; the others tell of a conversation as it is now.
    pub const fn is_of_request(self) -> bool {
        !matches!(self, Self::ConversationUpdated | Self::ConversationDeleted)
    }
}

/// The payload of an event, beside its envelope.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Event {
    Queued {
        message: Message,
        #[serde(flatten)]
        place: Option<QueuePosition>,
        correlation_id: String,
    },
    Started {
        attempt: u32,
        correlation_id: String,
    },
    Delta {
        text: String,
    },
    Reset {
        keep: usize,
    },
    Completed {
        message: Message,
        usage: Usage,
        provider: String,
        model: String,
        /// Why the reply is incomplete, where it is.
        #[serde(skip_serializing_if = "Option::is_none")]
        incomplete: Option<Incomplete>,
        /// What the prompt drew on, where the persona has passages.
        #[serde(skip_serializing_if = "Option::is_none")]
        retrieval: Option<Grounding>,
        correlation_id: String,
    },
    Failed {
        error: Problem,
        correlation_id: String,
    },
    Cancelled {
        message: Option<Message>,
        correlation_id: String,
    },
}

impl Event {
    pub const fn kind(&self) -> EventKind {
        match self {
            Self::Queued { .. } => EventKind::Queued,
            Self::Started { .. } => EventKind::Started,
            Self::Delta { .. } => EventKind::Delta,
            Self::Reset { .. } => EventKind::Reset,
            Self::Completed { .. } => EventKind::Completed,
            Self::Failed { .. } => EventKind::Failed,
            Self::Cancelled { .. } => EventKind::Cancelled,
        }
    }
}

/// A change of a conversation, for the user's other connections. It is in no log: clients read what they missed.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum ConversationEvent {
    Updated {
        conversation: Box<Conversation>,
        /// Whether what waits in it has changed: edited, moved or withdrawn.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        queue: bool,
    },
    Deleted {
        conversation_id: ConversationId,
    },
}

#[derive(Debug, Serialize)]
struct ConversationEnvelope<'a> {
    #[serde(rename = "type")]
    kind: EventKind,
    at: DateTime<Utc>,
    #[serde(flatten)]
    event: &'a ConversationEvent,
}

/// The fields that all events of requests have.
#[derive(Debug, Serialize)]
struct Envelope<'a> {
    #[serde(rename = "type")]
    kind: EventKind,
    request_id: RequestId,
    conversation_id: ConversationId,
    cursor: Cursor,
    at: DateTime<Utc>,
    #[serde(flatten)]
    event: &'a Event,
}

/// An encoded event: `<request id> <cursor> <type>\n<json>`, the same bytes in the log, on the channel and in memory.
/// Where its delivery is to be traced, a `traceparent` follows the type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub request_id: RequestId,
    pub cursor: Cursor,
    pub kind: EventKind,
    pub trace: Option<TraceParent>,
    /// Header and JSON.
    encoded: Bytes,
    /// The JSON alone: a view into `encoded`.
    json: Bytes,
}

impl Frame {
    pub fn new(
        request_id: RequestId,
        conversation_id: ConversationId,
        cursor: Cursor,
        at: DateTime<Utc>,
        event: &Event,
    ) -> Self {
        let kind = event.kind();
        Self::encode(
            request_id,
            cursor,
            kind,
            &Envelope { kind, request_id, conversation_id, cursor, at: at.trunc_subsecs(3), event },
        )
    }

    /// Its header names no request.
    pub fn of_conversation(at: DateTime<Utc>, event: &ConversationEvent) -> Self {
        let kind = match event {
            ConversationEvent::Updated { .. } => EventKind::ConversationUpdated,
            ConversationEvent::Deleted { .. } => EventKind::ConversationDeleted,
        };
        let envelope = ConversationEnvelope { kind, at: at.trunc_subsecs(3), event };
        Self::encode(Uuid::nil().into(), Cursor::START, kind, &envelope)
    }

    fn encode(request_id: RequestId, cursor: Cursor, kind: EventKind, envelope: &impl Serialize) -> Self {
        let mut encoded = format!("{request_id} {cursor} {}\n", kind.as_str()).into_bytes();
        let header = encoded.len();
        encoded.reserve(384);
        // Infallible: strings, numbers and maps with string keys, into memory.
        _ = serde_json::to_writer(&mut encoded, envelope);
        let encoded = Bytes::from(encoded);
        let json = encoded.slice(header..);
        Self { request_id, cursor, kind, trace: None, encoded, json }
    }

    /// Lets the servers trace its delivery.
    #[must_use]
    pub fn traced(self, trace: TraceParent) -> Self {
        let mut encoded = format!("{} {} {} {trace}\n", self.request_id, self.cursor, self.kind.as_str()).into_bytes();
        let header = encoded.len();
        encoded.extend_from_slice(&self.json);
        let encoded = Bytes::from(encoded);
        let json = encoded.slice(header..);
        Self { trace: Some(trace), encoded, json, ..self }
    }

    pub fn decode(encoded: Bytes) -> Option<Self> {
        let end = encoded.iter().position(|&byte| byte == b'\n')?;
        let mut header = std::str::from_utf8(&encoded[..end]).ok()?.split(' ');
        let request_id = header.next()?.parse().ok()?;
        let cursor = header.next()?.parse().ok()?;
        let kind = EventKind::parse(header.next()?)?;
        let trace = header.next().and_then(|trace| trace.parse().ok());
        let json = encoded.slice(end + 1..);
        Some(Self { request_id, cursor, kind, trace, encoded, json })
    }

    /// Whether it needs no event before it: it starts an attempt, resets the text, or is terminal.
    pub fn is_self_contained(&self) -> bool {
        self.cursor.n <= 1 || self.kind == EventKind::Reset || self.kind.is_terminal()
    }

    /// `None` of events that leave the text as it is.
    pub fn text_change(&self) -> Option<TextChange> {
        #[derive(Deserialize)]
        struct Change {
            #[serde(default)]
            text: String,
            #[serde(default)]
            keep: usize,
        }
        if !matches!(self.kind, EventKind::Delta | EventKind::Reset) {
            return None;
        }
        let Change { text, keep } = serde_json::from_slice(&self.json).ok()?;
        Some(if self.kind == EventKind::Reset { TextChange::Reset { keep } } else { TextChange::Append(text) })
    }

    pub fn encoded(&self) -> &Bytes {
        &self.encoded
    }

    pub fn json(&self) -> &Bytes {
        &self.json
    }
}

/// What an event does to the text so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextChange {
    Append(String),
    /// So many characters still stand.
    Reset {
        keep: usize,
    },
}

/// The sum of a request's events: the text, and the cursor up to which it holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Transcript {
    pub cursor: Cursor,
    pub text: String,
    pub finished: bool,
}

impl Transcript {
    pub fn of<'a>(frames: impl IntoIterator<Item = &'a Frame>) -> Self {
        let mut transcript = Self::default();
        for frame in frames {
            transcript.apply(frame);
        }
        transcript
    }

    /// Applies an event; `false` for a duplicate.
    pub fn apply(&mut self, frame: &Frame) -> bool {
        if frame.cursor <= self.cursor || self.finished {
            return false;
        }
        self.cursor = frame.cursor;
        self.finished = frame.kind.is_terminal();
        match frame.text_change() {
            Some(TextChange::Reset { keep }) => {
                let end = self.text.char_indices().nth(keep).map_or(self.text.len(), |(at, _)| at);
                self.text.truncate(end);
            }
            Some(TextChange::Append(text)) => self.text.push_str(&text),
            None => {}
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(cursor: &str, event: &Event) -> Frame {
        let id = uuid::Uuid::nil();
        Frame::new(id.into(), id.into(), cursor.parse().unwrap(), DateTime::UNIX_EPOCH, event)
    }

    fn delta(cursor: &str, text: &str) -> Frame {
        frame(cursor, &Event::Delta { text: text.to_owned() })
    }

    #[test]
    fn an_event_says_what_it_is() {
        insta::assert_snapshot!(
            std::str::from_utf8(delta("1-17", "sea").json()).unwrap(),
            @r#"{"type":"reply.delta","request_id":"00000000-0000-0000-0000-000000000000","conversation_id":"00000000-0000-0000-0000-000000000000","cursor":"1-17","at":"1970-01-01T00:00:00Z","text":"sea"}"#
        );
    }

    #[test]
    fn a_frame_survives_its_encoding() {
        let sent = delta("3-9", "Grüße\n🌊");
        let received = Frame::decode(sent.encoded().clone()).unwrap();
        assert_eq!(received, sent);
        assert_eq!(received.kind, EventKind::Delta);
        assert!(Frame::decode(Bytes::from_static(b"no header")).is_none());
    }

    #[test]
    fn late_and_repeated_events_change_nothing() {
        let mut transcript = Transcript::default();
        assert!(transcript.apply(&delta("1-1", "The ")));
        assert!(transcript.apply(&delta("1-3", "sea")));
        assert!(!transcript.apply(&delta("1-3", "sea")));
        assert!(!transcript.apply(&delta("1-2", "big ")));
        assert_eq!(transcript.text, "The sea");
    }

    #[test]
    fn a_reset_keeps_whole_characters_and_shuts_out_the_older_attempt() {
        let mut transcript = Transcript::of(&[delta("1-1", "🌊🌊 wave")]);
        assert!(transcript.apply(&frame("2-1", &Event::Reset { keep: 2 })));
        assert_eq!(transcript.text, "🌊🌊");
        assert!(!transcript.apply(&delta("1-9", "late")));
        assert!(transcript.apply(&delta("2-2", "!")));
        assert_eq!(transcript.text, "🌊🌊!");
    }

    #[test]
    fn cursors_are_ordered_by_attempt_then_number() {
        assert!("2-1".parse::<Cursor>().unwrap() > "1-900".parse().unwrap());
        for bad in ["", "1", "a-b", "1-", "-1", "1-2-3", "99999999999-1"] {
            assert_eq!(bad.parse::<Cursor>(), Err(BadCursor), "{bad}");
        }
    }
}
