//! A snapshot: where everything that a user waits for stands. Taken after subscribing, it makes the live events that
//! follow complete: what it covers is dropped from them by its cursors.

use std::collections::HashMap;

use serde::Serialize;
use troupe_core::{
    events::{Cursor, EventKind, Frame, Transcript},
    ids::{ConversationId, MessageId, RequestId, SessionId, UserId},
    model::{Message, RequestStatus},
};
use troupe_db::replies::{messages, requests};

use super::Sockets;
use crate::{chat::terminal_event::terminal_event, http::error::ApiError};

/// At most so many finished messages are told to a socket that was away; the rest is in the lists.
const MAX_COMPLETED: i64 = 200;
/// Finished requests to remember, so that a late event of theirs stays late.
const MAX_REMEMBERED: usize = 256;

/// The first thing that a socket hears.
#[derive(Serialize)]
pub(crate) struct Hello {
    #[serde(rename = "type")]
    kind: &'static str,
    session_id: SessionId,
    active: Vec<Active>,
    completed: Vec<Message>,
}

#[derive(Serialize)]
struct Active {
    request_id: RequestId,
    conversation_id: ConversationId,
    status: RequestStatus,
    cursor: Cursor,
    text: String,
}

pub(crate) struct Snapshot {
    pub(crate) hello: Hello,
    pub(crate) seen: Seen,
    /// Ends that came between the look into PostgreSQL and the look into the log.
    pub(crate) ends: Vec<Frame>,
}

impl Snapshot {
    pub(crate) async fn take(
        sockets: &Sockets,
        session_id: SessionId,
        user: UserId,
        after: Option<MessageId>,
    ) -> Result<Self, ApiError> {
        let mut seen = Seen::default();
        let (mut active, mut ends) = (Vec::new(), Vec::new());
        for open in requests::open_for_user(&sockets.pool, user).await? {
            // Without the log the text so far is unknown: see `Seen::lacks_text_before`.
            let mut log = match sockets.chat.bus.replay(user, open.id, Cursor::START).await {
                Ok(log) => log,
                Err(error) => {
                    tracing::warn!(%error, "a snapshot without the text so far");
                    Vec::new()
                }
            };
            ends.extend(log.pop_if(|last| last.kind.is_terminal()));
            let Transcript { cursor, text, .. } = Transcript::of(&log);
            seen.0.insert(open.id, cursor);
            active.push(Active {
                request_id: open.id,
                conversation_id: open.conversation_id,
                status: open.status,
                cursor,
                text,
            });
        }
        let completed = match after {
            Some(after) => messages::since(&sockets.pool, user, after, MAX_COMPLETED).await?,
            None => Vec::new(),
        };
        Ok(Self { hello: Hello { kind: "hello", session_id, active, completed }, seen, ends })
    }
}

/// The terminal events of requests, as far as they have ended.
pub(crate) async fn ends_of(sockets: &Sockets, user: UserId, requests: Vec<RequestId>) -> Result<Vec<Frame>, ApiError> {
    let mut ends = Vec::with_capacity(requests.len());
    for id in requests {
        ends.extend(requests::find(&sockets.pool, user, id).await?.and_then(|request| terminal_event(&request)));
    }
    Ok(ends)
}

/// Up to where each request has been told on one connection.
#[derive(Debug, Default)]
pub(crate) struct Seen(HashMap<RequestId, Cursor>);

impl Seen {
    /// Whether the event is news here; it is not from then on.
    pub(crate) fn is_news(&mut self, frame: &Frame) -> bool {
        let last = self.0.get(&frame.request_id).copied();
        // Text is told on from where its attempt has been told, or not at all. Without any place the request had ended
        // before the snapshot, and these are its last words.
        let told_on = last.is_some_and(|last| last.attempt == frame.cursor.attempt);
        let news = last.is_none_or(|last| frame.cursor > last) && (told_on || frame.kind != EventKind::Delta);
        if !news {
            return false;
        }
        let until = if frame.kind.is_terminal() { Cursor::END } else { frame.cursor };
        self.0.insert(frame.request_id, until);
        if self.0.len() > MAX_REMEMBERED {
            self.0.retain(|_, cursor| *cursor != Cursor::END);
            self.0.shrink_to_fit();
        }
        true
    }

    /// Whether it is text of a running attempt whose beginning was not told here, because the snapshot could not be
    /// read from the log. That it comes says that there is a log now: another snapshot has the beginning.
    pub(crate) fn lacks_text_before(&self, frame: &Frame) -> bool {
        let last = self.0.get(&frame.request_id);
        frame.kind == EventKind::Delta && last.is_some_and(|last| last.attempt < frame.cursor.attempt)
    }

    /// Whether anything has begun here and not ended.
    pub(crate) fn awaits_an_end(&self) -> bool {
        self.0.values().any(|cursor| *cursor != Cursor::END)
    }

    /// What has begun here, has not ended, and is not in a newer snapshot.
    pub(crate) fn unfinished_beside(&self, newer: &Self) -> Vec<RequestId> {
        let unfinished = self.0.iter().filter(|(id, cursor)| **cursor != Cursor::END && !newer.0.contains_key(*id));
        unfinished.map(|(id, _)| *id).collect()
    }

    /// The client is where the newer snapshot says, be it further back; but what has ended here stays ended.
    pub(crate) fn take_over(&mut self, newer: Self) {
        for (id, cursor) in newer.0 {
            let last = self.0.entry(id).or_default();
            if *last != Cursor::END {
                *last = cursor;
            }
        }
    }
}
