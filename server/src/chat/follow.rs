//! Follows one request: the logged events after a cursor, then live ones, up to the terminal event.
//!
//! Whoever follows is told no more once the credential is revoked.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::time::timeout;
use troupe_core::{
    events::{Cursor, Frame},
    ids::{RequestId, UserId},
    metrics::Held,
};
use troupe_db::replies::requests;

use super::{Chat, terminal_event::terminal_event};
use crate::{
    auth::identity::Identity,
    http::error::ApiError,
    live::{
        connections::ConnectionGuard,
        hub::{Delivery, Subscription, trace_delivery},
    },
    metrics::LIVE,
};

const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(crate) enum Followed {
    Event(Frame),
    /// Nothing has happened for a while.
    Quiet,
}

pub(crate) struct Follower {
    chat: Arc<Chat>,
    user: UserId,
    guard: ConnectionGuard,
    id: RequestId,
    last: Cursor,
    pending: VecDeque<Frame>,
    live: Subscription,
    /// The terminal event is pending or was sent.
    finished: bool,
    _open: Held,
}

impl Follower {
    pub(crate) async fn open(
        chat: Arc<Chat>,
        identity: &Identity,
        id: RequestId,
        after: Cursor,
    ) -> Result<Self, ApiError> {
        let user = identity.user;
        let guard = chat.live.connections.register(identity.credential.id);
        let live = chat.live.hub.subscribe(user).await?;
        let mut follower = Self {
            chat,
            user,
            guard,
            id,
            last: after,
            pending: VecDeque::new(),
            live,
            finished: false,
            _open: Held::of(&LIVE.streams),
        };
        follower.replay().await?;
        Ok(follower)
    }

    /// Whether nothing is to come any more.
    pub(crate) fn is_over(&self) -> bool {
        self.finished && self.pending.is_empty()
    }

    /// Queues the events in the log; where the request has ended and the log lacks its end, the end from PostgreSQL.
    async fn replay(&mut self) -> Result<(), ApiError> {
        let request =
            requests::find(&self.chat.pool, self.user, self.id).await?.ok_or(ApiError::NotFound("request"))?;
        let log = self.chat.bus.replay(self.user, self.id, Cursor::START).await?;
        let has_end = log.last().is_some_and(|last| last.kind.is_terminal());
        for frame in log {
            self.push(frame);
        }
        if has_end {
            self.finished = true;
        } else if let Some(end) = terminal_event(&request) {
            self.push(end);
            self.finished = true;
        }
        Ok(())
    }

    fn push(&mut self, frame: Frame) {
        if frame.request_id == self.id && frame.cursor > self.last && !self.finished {
            self.last = frame.cursor;
            self.finished = frame.kind.is_terminal();
            self.pending.push_back(frame);
        }
    }

    /// `None` after the end. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<Followed> {
        loop {
            if let Some(frame) = self.pending.pop_front() {
                return Some(Followed::Event(frame));
            }
            if self.finished {
                return None;
            }
            let next = timeout(KEEP_ALIVE, self.live.next());
            match self.guard.revoked().run_until_cancelled(next).await? {
                Err(_) => {
                    // The end may be stored and not published: its worker died. A failed replay is repeated.
                    if self.replay().await.is_err() || self.pending.is_empty() {
                        return Some(Followed::Quiet);
                    }
                }
                Ok(Some(Delivery::Event(frame, came_at))) => {
                    self.push((*frame).clone());
                    if frame.request_id == self.id {
                        trace_delivery(&frame, came_at, "event stream");
                    }
                }
                Ok(Some(Delivery::Resync)) => self.replay().await.ok()?,
                Ok(Some(Delivery::Delayed)) => {}
                // Too slow: the client reconnects with its last cursor.
                Ok(None) => return None,
            }
        }
    }
}
