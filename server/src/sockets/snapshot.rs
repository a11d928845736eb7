//! The snapshot that a connection begins with: the state of all open requests of a user. It is taken after subscribing,
//! so no event is missed; live events that it covers are dropped by its cursors.

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

/// Finished messages in a snapshot; clients get older ones by HTTP.
const MAX_COMPLETED: i64 = 200;
/// Finished requests that are remembered, so that their late events are dropped.
const MAX_REMEMBERED: usize = 256;

/// The first message on a socket.
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
    branch: i32,
    cursor: Cursor,
    text: String,
}

pub(crate) struct Snapshot {
    pub(crate) hello: Hello,
    pub(crate) seen: Seen,
    /// Of requests that ended between the query of PostgreSQL and the replay of the log.
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
                branch: open.branch,
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

/// The terminal events of those of the requests that have ended.
pub(crate) async fn terminal_events(
    sockets: &Sockets,
    user: UserId,
    requests: Vec<RequestId>,
) -> Result<Vec<Frame>, ApiError> {
    let mut ends = Vec::with_capacity(requests.len());
    for id in requests {
        ends.extend(requests::find(&sockets.pool, user, id).await?.and_then(|request| terminal_event(&request)));
    }
    Ok(ends)
}

/// The cursor up to which each request's events were sent on one connection.
#[derive(Debug, Default)]
pub(crate) struct Seen(HashMap<RequestId, Cursor>);

impl Seen {
    /// Whether the event is new on this connection; marks it as sent.
    pub(crate) fn is_new(&mut self, frame: &Frame) -> bool {
        let last = self.0.get(&frame.request_id).copied();
        // A delta is sent only where it continues its attempt's text. Without a cursor the request had ended before the
        // snapshot, and this is a late event.
        let continues = last.is_some_and(|last| last.attempt == frame.cursor.attempt);
        let is_new = last.is_none_or(|last| frame.cursor > last) && (continues || frame.kind != EventKind::Delta);
        if !is_new {
            return false;
        }
        let sent = if frame.kind.is_terminal() { Cursor::END } else { frame.cursor };
        self.0.insert(frame.request_id, sent);
        if self.0.len() > MAX_REMEMBERED {
            self.0.retain(|_, cursor| *cursor != Cursor::END);
            self.0.shrink_to_fit();
        }
        true
    }

    /// Whether it is a delta of an attempt whose beginning was not sent, because the log was unavailable during the
    /// snapshot. Now that events arrive the log is available: a new snapshot has the beginning.
    pub(crate) fn lacks_text_before(&self, frame: &Frame) -> bool {
        let last = self.0.get(&frame.request_id);
        frame.kind == EventKind::Delta && last.is_some_and(|last| last.attempt < frame.cursor.attempt)
    }

    /// Whether any request has begun here and not ended.
    pub(crate) fn has_unfinished(&self) -> bool {
        self.0.values().any(|cursor| *cursor != Cursor::END)
    }

    /// The requests that began here, have not ended, and are not in a newer snapshot.
    pub(crate) fn unfinished_beside(&self, newer: &Self) -> Vec<RequestId> {
        let unfinished = self.0.iter().filter(|(id, cursor)| **cursor != Cursor::END && !newer.0.contains_key(*id));
        unfinished.map(|(id, _)| *id).collect()
    }

    /// Takes the cursors of a newer snapshot, even lower ones; requests that have ended here stay ended.
    pub(crate) fn merge(&mut self, newer: Self) {
        for (id, cursor) in newer.0 {
            let last = self.0.entry(id).or_default();
            if *last != Cursor::END {
                *last = cursor;
            }
        }
    }
}
