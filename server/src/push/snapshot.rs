//! A snapshot: where everything that a user waits for stands. Taken after subscribing, it makes the live events that
//! follow complete: what it covers is dropped from them by its cursors.

use std::collections::HashMap;

use serde::Serialize;
use troupe_shared::{
    db::{messages, requests},
    events::{Cursor, Frame, Transcript},
    ids::{ConversationId, MessageId, RequestId, SessionId, UserId},
    model::{Message, RequestStatus},
};

use crate::{error::ApiError, state::AppState};

/// At most so many finished messages are told to a socket that was away; the rest is in the lists.
const MOST_COMPLETED: i64 = 200;
/// Finished requests to remember, so that a late event of theirs stays late.
const MOST_REMEMBERED: usize = 256;

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
        state: &AppState,
        session_id: SessionId,
        user: UserId,
        after: Option<MessageId>,
    ) -> Result<Self, ApiError> {
        let mut seen = Seen::default();
        let (mut active, mut ends) = (Vec::new(), Vec::new());
        for open in requests::open_of(&state.pool, user).await? {
            // Without the log the text so far is unknown; the rest and the whole still come.
            let mut log = match state.bus.replay(user, open.id, Cursor::START).await {
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
            Some(after) => messages::since(&state.pool, user, after, MOST_COMPLETED).await?,
            None => Vec::new(),
        };
        Ok(Self { hello: Hello { kind: "hello", session_id, active, completed }, seen, ends })
    }
}

/// Up to where each request has been told on one connection.
#[derive(Debug, Default)]
pub(crate) struct Seen(HashMap<RequestId, Cursor>);

impl Seen {
    /// Whether the event is news here; it is not from then on.
    pub(crate) fn is_news(&mut self, frame: &Frame) -> bool {
        let last = self.0.entry(frame.request_id).or_default();
        if frame.cursor <= *last {
            return false;
        }
        *last = if frame.kind.is_terminal() { Cursor::END } else { frame.cursor };
        if self.0.len() > MOST_REMEMBERED {
            self.0.retain(|_, cursor| *cursor != Cursor::END);
            self.0.shrink_to_fit();
        }
        true
    }
}
