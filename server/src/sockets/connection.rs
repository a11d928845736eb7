//! A WebSocket session: one task, one `select!`.
//!
//! Subscribe, then snapshot, then live: in that order nothing is missed, and what the snapshot covers is dropped by its
//! cursors. A session never makes anybody wait: when it cannot keep up it is closed and resumes with a snapshot.

use std::{sync::Arc, time::Duration};

use axum::extract::ws::{Message, Utf8Bytes, WebSocket};
use bytes::Bytes;
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use troupe_core::{
    events::Frame,
    ids::{RequestId, SessionId, UserId},
    model::Request,
};
use troupe_db::replies::requests;

use super::{
    Sockets,
    frame_limit::FrameLimit,
    protocol::{CancelRequest, Closing, FromClient, Notice, Opened, SendMessage, ToClient},
    queue_watch::QueueWatch,
    snapshot::{Seen, Snapshot, ends_of},
};
use crate::{
    admin::queue_state::queue_state,
    auth::{middleware::permit, permissions::Permission},
    chat::{
        cancel::cancel_request,
        send::{Sending, send_message},
    },
    http::{
        error::ApiError,
        extract::{correlation::CorrelationId, idempotency},
    },
    live::hub::Delivery,
};

/// A peer that does not take a frame for so long is too slow.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// When nothing was heard for so long of what has begun here, it is looked up: a worker that dies between storing the
/// end of a reply and telling it leaves nobody else who would.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(5);

/// No socket lives so long.
const NEVER: Duration = Duration::from_hours(24 * 365);

pub(crate) struct Connection {
    socket: WebSocket,
    sockets: Arc<Sockets>,
    id: SessionId,
    opened: Opened,
    correlation: CorrelationId,
    seen: Seen,
    watch: QueueWatch,
    frame_limit: FrameLimit,
    /// Pings that were not answered yet.
    unanswered: u8,
    /// The last event, or the last look after a silence.
    heard: Instant,
}

/// Why a session ends: to be told to the peer, or because the peer is gone.
enum End {
    Close(Closing),
    Gone,
}

impl Connection {
    /// Runs until either side ends it.
    pub(crate) async fn open(
        socket: WebSocket,
        sockets: Arc<Sockets>,
        opened: Opened,
        ended: CancellationToken,
        correlation: CorrelationId,
    ) {
        let id = SessionId::new();
        let (seen, watch) = (Seen::default(), QueueWatch::default());
        let limits = &sockets.config.rate_limits;
        let frame_limit = FrameLimit::new(limits.enabled.then_some(limits.socket_frames));
        let mut session = Self {
            socket,
            sockets,
            id,
            opened,
            correlation,
            seen,
            watch,
            frame_limit,
            unanswered: 0,
            heard: Instant::now(),
        };
        tracing::debug!(session_id = %id, "a socket opened");
        let end = match session.run(&ended).await {
            Ok(never) => match never {},
            Err(end) => end,
        };
        if let End::Close(why) = end {
            Self::refuse(session.socket, why).await;
        }
        tracing::debug!(session_id = %id, "a socket closed");
    }

    /// Closes a socket with a reason.
    pub(crate) async fn refuse(mut socket: WebSocket, why: Closing) {
        _ = timeout(SEND_TIMEOUT, socket.send(Message::Close(Some(why.frame())))).await;
        // The peer's answer to the close; without it the code may never arrive.
        _ = timeout(Duration::from_secs(1), async { while let Some(Ok(_)) = socket.recv().await {} }).await;
    }

    fn user(&self) -> UserId {
        self.opened.identity.user
    }

    async fn run(&mut self, ended: &CancellationToken) -> Result<std::convert::Infallible, End> {
        let subscribed = self.sockets.live.hub.subscribe(self.user()).await;
        let mut live = subscribed.map_err(|error| overloaded(&error))?;
        self.say_hello().await?;
        let every = self.sockets.config.server.ping_interval;
        // The first at a random moment: after a restart thousands of sockets open at once, and must not ping at once.
        let mut pings = interval_at(Instant::now() + every.mul_f64(0.5 + self.share()), every);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let expired = self.expiry();
        loop {
            tokio::select! {
                biased;
                () = ended.cancelled() => return Err(End::Close(self.why_ended())),
                () = sleep_until(expired) => return Err(End::Close(Closing::SignedOut)),
                delivery = live.next() => self.deliver(delivery).await?,
                message = self.socket.recv() => match message {
                    Some(Ok(message)) => self.hear(message).await?,
                    Some(Err(error)) => return Err(refused(&error)),
                    None => return Err(End::Gone),
                },
                // Boxed, because every socket has the room for whatever is not.
                () = self.watch.due() => Box::pin(self.show_queue()).await?,
                _ = pings.tick() => self.ping().await?,
                () = sleep_until(self.heard + SILENCE_TIMEOUT), if self.seen.awaits_an_end() =>
                    Box::pin(self.look_after_silence()).await?,
            }
        }
    }

    /// When the credential ends by itself; far away for one that does not.
    fn expiry(&self) -> Instant {
        let now = Instant::now();
        let left = self.opened.identity.credential.expires_at.map(|at| at - self.sockets.clock.now());
        now + left.map_or(NEVER, |left| left.to_std().unwrap_or_default().min(NEVER))
    }

    fn why_ended(&self) -> Closing {
        if self.sockets.live.connections.closing().is_cancelled() { Closing::Restart } else { Closing::SignedOut }
    }

    async fn look_after_silence(&mut self) -> Result<(), End> {
        self.heard = Instant::now();
        // Not to know it now is no reason to close the socket: it is looked up again.
        let Ok(open) = requests::open_for_user(&self.sockets.pool, self.user()).await else { return Ok(()) };
        let mut unfinished = self.seen.unfinished_beside(&Seen::default());
        unfinished.retain(|id| open.iter().all(|open| open.id != *id));
        let ends = ends_of(&self.sockets, self.user(), unfinished).await.unwrap_or_default();
        for end in &ends {
            self.tell(end).await?;
        }
        Ok(())
    }

    /// A number from 0 to 0.5 that is this session's own.
    fn share(&self) -> f64 {
        f64::from(u16::from_le_bytes([self.id.as_uuid().as_bytes()[14], self.id.as_uuid().as_bytes()[15]]))
            / f64::from(u16::MAX)
            / 2.0
    }

    async fn say_hello(&mut self) -> Result<(), End> {
        let snapshot = Snapshot::take(&self.sockets, self.id, self.user(), self.opened.after).await;
        let snapshot = snapshot.map_err(|error| overloaded(&error))?;
        self.say(&snapshot.hello).await?;
        // What this socket had heard the beginning of and runs no more has ended unheard.
        let unheard = self.seen.unfinished_beside(&snapshot.seen);
        let unheard = ends_of(&self.sockets, self.user(), unheard).await.map_err(|error| overloaded(&error))?;
        self.seen.take_over(snapshot.seen);
        for end in snapshot.ends.iter().chain(&unheard) {
            self.tell(end).await?;
        }
        Ok(())
    }

    async fn deliver(&mut self, delivery: Option<Delivery>) -> Result<(), End> {
        match delivery {
            Some(Delivery::Event(frame)) if self.seen.lacks_text_before(&frame) => self.say_hello().await,
            Some(Delivery::Event(frame)) => self.tell(&frame).await,
            Some(Delivery::Resync) => self.say_hello().await,
            Some(Delivery::Delayed) => self.say(&Notice::LIVE_DELAYED).await,
            None => Err(End::Close(Closing::TooSlow)),
        }
    }

    async fn hear(&mut self, message: Message) -> Result<(), End> {
        if self.frame_limit.is_one_more() {
            return Err(End::Close(Closing::Flooded));
        }
        let text = match message {
            Message::Text(text) => text,
            Message::Pong(_) => {
                self.unanswered = 0;
                return Ok(());
            }
            Message::Ping(_) => return Ok(()),
            Message::Binary(_) => return Err(End::Close(Closing::Misbehaved)),
            Message::Close(_) => return Err(End::Gone),
        };
        let answer = match FromClient::read(&text) {
            Ok(FromClient::Ping) => ToClient::Pong {},
            Ok(FromClient::WatchQueue) => {
                self.watch.begin();
                return Ok(());
            }
            Ok(FromClient::UnwatchQueue) => {
                self.watch.end();
                return Ok(());
            }
            Ok(FromClient::SendMessage(message)) => self.send_message(message).await,
            Ok(FromClient::CancelRequest(CancelRequest { r#ref, request_id, .. })) => {
                match self.cancel(request_id).await {
                    Ok(request) => ToClient::State { r#ref, request },
                    Err(error) => self.error(r#ref, &error),
                }
            }
            Err(error) => self.error(named_ref(&text), &error),
        };
        self.say(&answer).await
    }

    async fn cancel(&mut self, request: RequestId) -> Result<Request, ApiError> {
        permit(&self.sockets.auth, &self.opened.identity, Permission::ChatWrite).await?;
        cancel_request(&self.sockets.chat, self.user(), request).await
    }

    async fn send_message(&mut self, message: SendMessage) -> ToClient {
        let SendMessage { r#ref, conversation_id, content, if_busy, idempotency_key: key, fresh, .. } = message;
        if let Some(Err(error)) = key.as_deref().map(|key| idempotency::check(key, "idempotency_key")) {
            return self.error(Some(r#ref), &error);
        }
        if let Err(error) = permit(&self.sockets.auth, &self.opened.identity, Permission::ChatWrite).await {
            return self.error(Some(r#ref), &error);
        }
        if let Err(error) = self.sockets.auth.rate_limiter.count_message(self.opened.identity.as_user_of_tier()).await {
            return self.error(Some(r#ref), &error);
        }
        let sending = Sending { conversation_id, content, if_busy, key, fresh };
        match send_message(&self.sockets.chat, self.user(), sending, &self.correlation.0).await {
            Ok(sent) => ToClient::Accepted { r#ref, request: sent.request, message: sent.message, place: sent.place },
            Err(error) => self.error(Some(r#ref), &error),
        }
    }

    /// Tells an admin of the queue; anybody else that this is not for them.
    async fn show_queue(&mut self) -> Result<(), End> {
        let told = match permit(&self.sockets.auth, &self.opened.identity, Permission::OperationsRead).await {
            Ok(()) => queue_state(&self.sockets.admin).await.map(ToClient::QueueState),
            Err(error) => {
                self.watch.end();
                Err(error)
            }
        };
        match told {
            Ok(state) => self.say(&state).await,
            Err(error) => self.say(&self.error(None, &error)).await,
        }
    }

    fn error(&self, r#ref: Option<String>, error: &ApiError) -> ToClient {
        error.log_cause();
        let mut problem = error.problem();
        problem.request_id = Some(self.correlation.0.clone());
        ToClient::Error { r#ref, error: problem }
    }

    async fn ping(&mut self) -> Result<(), End> {
        if self.unanswered >= 2 {
            return Err(End::Gone);
        }
        self.unanswered += 1;
        self.send(Message::Ping(Bytes::new())).await
    }

    async fn tell(&mut self, frame: &Frame) -> Result<(), End> {
        self.heard = Instant::now();
        if !self.seen.is_news(frame) {
            return Ok(());
        }
        match Utf8Bytes::try_from(frame.json().clone()) {
            Ok(text) => self.send(Message::Text(text)).await,
            Err(_) => Ok(()),
        }
    }

    async fn say(&mut self, what: &impl Serialize) -> Result<(), End> {
        match serde_json::to_string(what) {
            Ok(json) => self.send(Message::Text(json.into())).await,
            Err(error) => Err(overloaded(&error)),
        }
    }

    async fn send(&mut self, message: Message) -> Result<(), End> {
        match timeout(SEND_TIMEOUT, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => Err(End::Close(Closing::TooSlow)),
        }
    }
}

fn overloaded(error: &impl std::fmt::Display) -> End {
    tracing::warn!(%error, "a socket could not be served");
    End::Close(Closing::Overload)
}

/// A broken frame is answered with a reason where the connection still stands.
fn refused(error: &axum::Error) -> End {
    tracing::debug!(%error, "a socket broke");
    End::Close(Closing::Misbehaved)
}

/// The `ref` of a message that could not be read as a whole.
fn named_ref(text: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    value.get("ref")?.as_str().map(str::to_owned)
}
