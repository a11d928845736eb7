//! Server-Sent Events of one request: what is logged after the cursor, then live, and the end after the terminal event.
//!
//! A stream also ends when its credential does.

use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::{BufMut, Bytes, BytesMut};
use futures::{Stream, stream};
use tokio::time::timeout;
use troupe_core::{
    events::{Cursor, Frame},
    ids::{RequestId, UserId},
};
use troupe_db::replies::requests;

use super::{Chat, terminal_event::terminal_event};
use crate::{
    auth::identity::Identity,
    http::error::ApiError,
    live::{
        connections::ConnectionGuard,
        hub::{Delivery, Subscription},
    },
};

const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(crate) async fn follow(
    chat: Arc<Chat>,
    identity: &Identity,
    id: RequestId,
    after: Cursor,
) -> Result<Response, ApiError> {
    let (user, held) = (identity.user, chat.live.connections.hold(identity.credential.id));
    let live = chat.live.hub.subscribe(user).await?;
    let mut follower = Follower { chat, user, held, id, last: after, waiting: VecDeque::new(), live, over: false };
    follower.look().await?;
    if follower.over && follower.waiting.is_empty() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, Body::from_stream(follower.into_stream())).into_response())
}

struct Follower {
    chat: Arc<Chat>,
    user: UserId,
    held: ConnectionGuard,
    id: RequestId,
    last: Cursor,
    waiting: VecDeque<Frame>,
    live: Subscription,
    /// The terminal event is waiting or was sent: nothing comes after it.
    over: bool,
}

impl Follower {
    /// Takes up what is in the log, and, where the request has ended and the log does not say so, its end from
    /// PostgreSQL.
    async fn look(&mut self) -> Result<(), ApiError> {
        let request =
            requests::find(&self.chat.pool, self.user, self.id).await?.ok_or(ApiError::NotFound("request"))?;
        let log = self.chat.bus.replay(self.user, self.id, Cursor::START).await?;
        let told = log.last().is_some_and(|last| last.kind.is_terminal());
        for frame in log {
            self.take(frame);
        }
        if told {
            self.over = true;
        } else if let Some(end) = terminal_event(&request) {
            self.take(end);
            self.over = true;
        }
        Ok(())
    }

    fn take(&mut self, frame: Frame) {
        if frame.request_id == self.id && frame.cursor > self.last && !self.over {
            self.last = frame.cursor;
            self.over = frame.kind.is_terminal();
            self.waiting.push_back(frame);
        }
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.waiting.pop_front() {
                return Some(encode(&frame));
            }
            if self.over {
                return None;
            }
            let next = timeout(KEEP_ALIVE, self.live.next());
            match self.held.signed_out().run_until_cancelled(next).await? {
                Err(_) => {
                    // Its end may be stored, and the worker gone that would have told it. Not to know it now is no end
                    // either.
                    if self.look().await.is_err() || self.waiting.is_empty() {
                        return Some(Bytes::from_static(b": still here\n\n"));
                    }
                }
                Ok(Some(Delivery::Event(frame))) => self.take((*frame).clone()),
                Ok(Some(Delivery::Resync)) => self.look().await.ok()?,
                Ok(Some(Delivery::Delayed)) => {}
                // Too slow: the client comes again with its last cursor.
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
