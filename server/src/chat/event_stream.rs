//! Server-Sent Events of one request: the logged events after the cursor, then live ones, up to the terminal event.
//!
//! A stream also ends when its credential is revoked.

use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::{BufMut, Bytes, BytesMut};
use futures::{Stream, StreamExt, stream};
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

/// A comment.
const OPENING: &[u8] = b": here\n\n";
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(crate) async fn follow(
    chat: Arc<Chat>,
    identity: &Identity,
    id: RequestId,
    after: Cursor,
) -> Result<Response, ApiError> {
    let user = identity.user;
    let guard = chat.live.connections.register(identity.credential.id);
    let live = chat.live.hub.subscribe(user).await?;
    let mut follower = Follower {
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
    if follower.finished && follower.pending.is_empty() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    // At once, so that a client learns early whether something on the way holds streams back.
    let opening = stream::once(async { Ok(Bytes::from_static(OPENING)) });
    Ok((headers, Body::from_stream(opening.chain(follower.into_stream()))).into_response())
}

struct Follower {
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

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.pending.pop_front() {
                return Some(encode(&frame));
            }
            if self.finished {
                return None;
            }
            let next = timeout(KEEP_ALIVE, self.live.next());
            match self.guard.revoked().run_until_cancelled(next).await? {
                Err(_) => {
                    // The end may be stored and not published: its worker died. A failed replay is repeated.
                    if self.replay().await.is_err() || self.pending.is_empty() {
                        return Some(Bytes::from_static(b": still here\n\n"));
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

    fn into_stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
        stream::unfold(self, |mut follower| async move {
            let bytes = follower.next().await?;
            Some((Ok(bytes), follower))
        })
    }
}

fn encode(frame: &Frame) -> Bytes {
    let mut text = BytesMut::with_capacity(frame.json().len() + 64);
    text.put_slice(format!("id: {}\nevent: {}\ndata: ", frame.cursor, frame.kind.as_str()).as_bytes());
    text.put_slice(frame.json());
    text.put_slice(b"\n\n");
    text.freeze()
}
