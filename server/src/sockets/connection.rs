//! A WebSocket connection: one task, one `select!`.
//!
//! Subscribe, then snapshot, then live events: in this order none is missed, and duplicates are dropped by the
//! snapshot's cursors. Backpressure: a connection that does not keep up is closed, and resumes with a snapshot.

use std::{sync::Arc, time::Duration};

use axum::extract::ws::{Message, Utf8Bytes, WebSocket};
use bytes::Bytes;
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use troupe_core::{
    events::Frame,
    ids::{RequestId, SessionId, UserId},
    metrics::{Held, ObserveTime},
    model::Request,
    trace,
};
use troupe_db::replies::requests;

use super::{
    Sockets,
    frame_limit::FrameLimit,
    protocol::{CancelRequest, Closing, FromClient, Notice, Opened, SendMessage, ToClient},
    queue_watch::QueueWatch,
    snapshot::{Seen, Snapshot, terminal_events},
};
use crate::{
    admin::queue_state::queue_state,
    auth::{middleware::permit, permissions::Permission},
    chat::{
        cancel::cancel_request,
        send::{Place, Sending, send_message},
    },
    http::{
        error::ApiError,
        extract::{correlation::CorrelationId, idempotency},
    },
    live::hub::{Delivery, trace_delivery},
    metrics::{LIVE, ReasonLabel},
};

/// A peer that does not accept a frame within this time is too slow.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// Without an event for this time, unfinished requests are polled: a worker that dies between storing the end of a
/// reply and publishing it leaves nobody else who would publish it.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(5);

/// Longer than any connection.
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
    unanswered_pings: u8,
    /// Of the last event, or the last poll after a silence.
    last_event_at: Instant,
}

/// Why a connection ends: closed with a reason, or because the peer has left, or is lost.
enum End {
    Close(Closing),
    Left,
    Lost,
}

impl End {
    /// As metrics name it.
    const fn name(&self) -> &'static str {
        match self {
            Self::Close(why) => why.name(),
            Self::Left => "left",
            Self::Lost => "lost",
        }
    }
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
        let mut connection = Self {
            socket,
            sockets,
            id,
            opened,
            correlation,
            seen,
            watch,
            frame_limit,
            unanswered_pings: 0,
            last_event_at: Instant::now(),
        };
        tracing::debug!(session_id = %id, "a socket opened");
        let open = Held::of(&LIVE.sockets);
        let end = match connection.run(&ended).await {
            Ok(never) => match never {},
            Err(end) => end,
        };
        drop(open);
        LIVE.closed.get_or_create(&ReasonLabel { reason: end.name() }).inc();
        if let End::Close(why) = end {
            Self::refuse(connection.socket, why).await;
        }
        tracing::debug!(session_id = %id, "a socket closed");
    }

    /// Closes a socket with a reason.
    pub(crate) async fn refuse(mut socket: WebSocket, why: Closing) {
        _ = timeout(SEND_TIMEOUT, socket.send(Message::Close(Some(why.frame())))).await;
        // Waits for the peer's close frame; without it the code may not arrive.
        _ = timeout(Duration::from_secs(1), async { while let Some(Ok(_)) = socket.recv().await {} }).await;
    }

    fn user(&self) -> UserId {
        self.opened.identity.user
    }

    async fn run(&mut self, ended: &CancellationToken) -> Result<std::convert::Infallible, End> {
        let subscribed = self.sockets.live.hub.subscribe(self.user()).await;
        let mut live = subscribed.map_err(|error| overloaded(&error))?;
        self.send_hello().await?;
        let every = self.sockets.config.server.ping_interval;
        // Jitter: after a restart thousands of sockets open at once, and must not ping at once.
        let mut pings = interval_at(Instant::now() + every.mul_f64(0.5 + self.ping_jitter()), every);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let expired = self.expiry();
        loop {
            tokio::select! {
                biased;
                () = ended.cancelled() => return Err(End::Close(self.close_reason())),
                () = sleep_until(expired) => return Err(End::Close(Closing::SignedOut)),
                delivery = live.next() => self.deliver(delivery).await?,
                message = self.socket.recv() => match message {
                    Some(Ok(message)) => self.on_message(message).await?,
                    Some(Err(error)) => return Err(broken_frame(&error)),
                    None => return Err(End::Lost),
                },
                // Boxed: the future of every connection would have room for whatever is not.
                () = self.watch.due() => Box::pin(self.send_queue_state()).await?,
                _ = pings.tick() => self.ping().await?,
                () = sleep_until(self.last_event_at + SILENCE_TIMEOUT), if self.seen.has_unfinished() =>
                    Box::pin(self.poll_unfinished()).await?,
            }
        }
    }

    /// When the credential expires.
    fn expiry(&self) -> Instant {
        let now = Instant::now();
        let left = self.opened.identity.credential.expires_at.map(|at| at - self.sockets.clock.now());
        now + left.map_or(NEVER, |left| left.to_std().unwrap_or_default().min(NEVER))
    }

    fn close_reason(&self) -> Closing {
        if self.sockets.live.connections.closing().is_cancelled() { Closing::Restart } else { Closing::SignedOut }
    }

    async fn poll_unfinished(&mut self) -> Result<(), End> {
        self.last_event_at = Instant::now();
        // A failed poll is repeated, and does not close the connection.
        let Ok(open) = requests::open_for_user(&self.sockets.pool, self.user()).await else { return Ok(()) };
        let mut unfinished = self.seen.unfinished_beside(&Seen::default());
        unfinished.retain(|id| open.iter().all(|open| open.id != *id));
        let ends = terminal_events(&self.sockets, self.user(), unfinished).await.unwrap_or_default();
        for end in &ends {
            self.send_event(end).await?;
        }
        Ok(())
    }

    /// A number from 0 to 0.5, derived from the connection's id.
    fn ping_jitter(&self) -> f64 {
        f64::from(u16::from_le_bytes([self.id.as_uuid().as_bytes()[14], self.id.as_uuid().as_bytes()[15]]))
            / f64::from(u16::MAX)
            / 2.0
    }

    async fn send_hello(&mut self) -> Result<(), End> {
        let snapshot = Snapshot::take(&self.sockets, self.id, self.user(), self.opened.after).await;
        let snapshot = snapshot.map_err(|error| overloaded(&error))?;
        self.send_json(&snapshot.hello).await?;
        // Requests that began on this connection and are no longer open: their terminal events were missed.
        let ended = self.seen.unfinished_beside(&snapshot.seen);
        let missed = terminal_events(&self.sockets, self.user(), ended).await.map_err(|error| overloaded(&error))?;
        self.seen.merge(snapshot.seen);
        for end in snapshot.ends.iter().chain(&missed) {
            self.send_event(end).await?;
        }
        Ok(())
    }

    async fn deliver(&mut self, delivery: Option<Delivery>) -> Result<(), End> {
        match delivery {
            Some(Delivery::Event(frame, _)) if self.seen.lacks_text_before(&frame) => self.send_hello().await,
            Some(Delivery::Event(frame, came_at)) => {
                let sent = self.send_event(&frame).await;
                LIVE.lag.observe_time(came_at.elapsed());
                trace_delivery(&frame, came_at, "socket");
                sent
            }
            Some(Delivery::Resync) => {
                LIVE.resyncs.inc();
                self.send_hello().await
            }
            Some(Delivery::Delayed) => self.send_json(&Notice::LIVE_DELAYED).await,
            None => Err(End::Close(Closing::TooSlow)),
        }
    }

    async fn on_message(&mut self, message: Message) -> Result<(), End> {
        if self.frame_limit.is_exceeded() {
            return Err(End::Close(Closing::Flooded));
        }
        let text = match message {
            Message::Text(text) => text,
            Message::Pong(_) => {
                self.unanswered_pings = 0;
                return Ok(());
            }
            Message::Ping(_) => return Ok(()),
            Message::Binary(_) => return Err(End::Close(Closing::Misbehaved)),
            Message::Close(_) => return Err(End::Left),
        };
        let answer = match FromClient::read(&text) {
            Ok(FromClient::Ping) => ToClient::Pong {},
            Ok(FromClient::WatchQueue) => {
                self.watch.start();
                return Ok(());
            }
            Ok(FromClient::UnwatchQueue) => {
                self.watch.stop();
                return Ok(());
            }
            Ok(FromClient::SendMessage(message)) => self.traced_send_message(message).await,
            Ok(FromClient::CancelRequest(CancelRequest { r#ref, request_id, .. })) => {
                match self.cancel(request_id).await {
                    Ok(request) => ToClient::State { r#ref, request },
                    Err(error) => self.error(r#ref, &error),
                }
            }
            Err(error) => self.error(ref_of(&text), &error),
        };
        self.send_json(&answer).await
    }

    async fn cancel(&mut self, request: RequestId) -> Result<Request, ApiError> {
        permit(&self.sockets.auth, &self.opened.identity, Permission::ChatWrite).await?;
        cancel_request(&self.sockets.chat, self.user(), request).await
    }

    async fn traced_send_message(&mut self, message: SendMessage) -> ToClient {
        let caller = || message.traceparent.as_ref()?.parse().ok();
        let mut span = trace::begin(|| "socket message.send".to_owned(), caller);
        let answer = span.scope(self.send_message(message)).await;
        if let ToClient::Error { error, .. } = &answer
            && error.status() >= 500
        {
            span.fail(error.code());
        }
        span.describe(|span| {
            span.set("user.id", self.user().to_string());
            span.set("troupe.correlation_id", self.correlation.0.clone());
        });
        answer
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
        let sending = Sending { conversation_id, content, if_busy, key, fresh, place: Place::End, brought: None };
        match send_message(&self.sockets.chat, self.user(), sending, &self.correlation.0).await {
            Ok(sent) => ToClient::Accepted { r#ref, request: sent.request, message: sent.message, place: sent.place },
            Err(error) => self.error(Some(r#ref), &error),
        }
    }

    /// Sends the queue's state to an admin, an error to anybody else.
    async fn send_queue_state(&mut self) -> Result<(), End> {
        let state = match permit(&self.sockets.auth, &self.opened.identity, Permission::OperationsRead).await {
            Ok(()) => queue_state(&self.sockets.admin).await.map(ToClient::QueueState),
            Err(error) => {
                self.watch.stop();
                Err(error)
            }
        };
        match state {
            Ok(state) => self.send_json(&state).await,
            Err(error) => self.send_json(&self.error(None, &error)).await,
        }
    }

    fn error(&self, r#ref: Option<String>, error: &ApiError) -> ToClient {
        error.log_cause();
        let mut problem = error.problem();
        problem.request_id = Some(self.correlation.0.clone());
        ToClient::Error { r#ref, error: problem }
    }

    async fn ping(&mut self) -> Result<(), End> {
        if self.unanswered_pings >= 2 {
            return Err(End::Lost);
        }
        self.unanswered_pings += 1;
        self.send(Message::Ping(Bytes::new())).await
    }

    async fn send_event(&mut self, frame: &Frame) -> Result<(), End> {
        self.last_event_at = Instant::now();
        if frame.kind.is_of_request() && !self.seen.is_new(frame) {
            return Ok(());
        }
        match Utf8Bytes::try_from(frame.json().clone()) {
            Ok(text) => self.send(Message::Text(text)).await,
            Err(_) => Ok(()),
        }
    }

    async fn send_json(&mut self, message: &impl Serialize) -> Result<(), End> {
        match serde_json::to_string(message) {
            Ok(json) => self.send(Message::Text(json.into())).await,
            Err(error) => Err(overloaded(&error)),
        }
    }

    async fn send(&mut self, message: Message) -> Result<(), End> {
        match timeout(SEND_TIMEOUT, self.socket.send(message)).await {
            Ok(Ok(())) => {
                LIVE.frames.inc();
                Ok(())
            }
            Ok(Err(_)) => Err(End::Lost),
            Err(_) => Err(End::Close(Closing::TooSlow)),
        }
    }
}

fn overloaded(error: &impl std::fmt::Display) -> End {
    tracing::warn!(%error, "a socket could not be served");
    End::Close(Closing::Overload)
}

/// A broken frame closes the connection with a reason, if it is still open.
fn broken_frame(error: &axum::Error) -> End {
    tracing::debug!(%error, "a socket broke");
    if is_lost(error) { End::Lost } else { End::Close(Closing::Misbehaved) }
}

/// Whether the connection itself broke, and nothing that was sent over it.
fn is_lost(error: &axum::Error) -> bool {
    let mut causes = std::iter::successors(Some(error as &dyn std::error::Error), |cause| cause.source());
    causes.any(|cause| cause.is::<std::io::Error>() || cause.to_string().contains("without closing handshake"))
}

/// The `ref` of a malformed message.
fn ref_of(text: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    value.get("ref")?.as_str().map(str::to_owned)
}
