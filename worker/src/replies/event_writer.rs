//! Publishes a reply while it is written: numbers its events, coalesces text, and appends to the request's event log.
//!
//! At most one append is in flight; text that comes meanwhile goes with the next. The first text is sent at once, later
//! text no sooner than the coalescing time after the last append. While Redis is away nothing is dropped: everything is
//! published once it is back. Where Redis has lost the log, a reset and the whole text restart it, so that the log
//! again adds up to what clients must see.

use std::{pin::Pin, sync::Arc, time::Duration};

use futures::FutureExt;
use tokio::time::Instant;
use troupe_core::{
    clock::Clock,
    events::{Cursor, Event, Frame},
    ids::{ConversationId, RequestId, UserId},
    ports::{Appended, EventBus, PortError},
    trace::{self, Kind},
};
use troupe_db::replies::claim::Claimed;

/// The minimum pause after a failed append.
const MIN_APPEND_RETRY_PAUSE: Duration = Duration::from_millis(100);
/// Appends of the last event; the first pause between them, doubled after each failure.
const MAX_END_TRIES: u32 = 6;
const END_BACKOFF: Duration = Duration::from_millis(100);

type Append = Pin<Box<dyn Future<Output = (Vec<Frame>, Result<Appended, PortError>)> + Send>>;

/// Fenced: the log refused the token of this attempt, because a newer one has written. It must have no further effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overtaken;

pub(crate) struct EventWriter {
    bus: Arc<dyn EventBus>,
    clock: Arc<dyn Clock>,
    user: UserId,
    request: RequestId,
    conversation: ConversationId,
    coalesce: Duration,
    cursor: Cursor,
    /// The whole reply so far.
    text: String,
    /// Bytes of the text that another reply, or an earlier attempt, had, and this one goes on from.
    begun: usize,
    /// Bytes of the text that are in events already.
    published: usize,
    /// Whether text was published that has been reset since.
    republished: bool,
    pending: Vec<Frame>,
    in_flight: Option<Append>,
    started: Instant,
    last_append: Option<Instant>,
}

impl EventWriter {
    /// Starts the attempt's events; resets text that an earlier attempt had shown, down to what is kept of it.
    pub(crate) fn new(
        bus: Arc<dyn EventBus>,
        clock: Arc<dyn Clock>,
        claimed: &Claimed,
        coalesce: Duration,
        kept: Option<&str>,
    ) -> Self {
        let begun = kept.or(claimed.continues.as_deref()).unwrap_or_default();
        let kept = kept.unwrap_or_default();
        let attempt = u32::try_from(claimed.attempt).unwrap_or_default();
        let mut writer = Self {
            bus,
            clock,
            user: claimed.user_id,
            request: claimed.request_id,
            conversation: claimed.conversation_id,
            coalesce,
            cursor: Cursor { attempt, n: 0 },
            text: begun.to_owned(),
            begun: begun.len(),
            published: kept.len(),
            republished: false,
            pending: Vec::new(),
            in_flight: None,
            started: Instant::now(),
            last_append: None,
        };
        if claimed.shown {
            writer.emit(&Event::Reset { keep: kept.chars().count() });
        }
        writer.emit(&Event::Started { attempt, correlation_id: claimed.correlation_id.clone() });
        writer
    }

    /// Without zero characters, of which PostgreSQL stores none: a reply that has one could never be finished.
    pub(crate) fn push(&mut self, text: &str) {
        self.text.extend(text.split('\0'));
    }

    /// Drops all text: a failed provider's, just before the first token of the next. Text that was never published
    /// needs no reset.
    pub(crate) fn retract(&mut self) {
        if self.published > 0 {
            self.republished = true;
            self.published = 0;
            self.emit(&Event::Reset { keep: 0 });
        }
        self.text.truncate(self.begun);
    }

    /// What this attempt has added.
    pub(crate) fn new_text(&self) -> &str {
        &self.text[self.begun..]
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// When the attempt began.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// Whether clients may have seen any of the text.
    pub(crate) fn shown(&self) -> bool {
        self.published > 0 || self.republished
    }

    /// Drives the appends; returns when the attempt is overtaken. Polled beside the model's stream, and cancel-safe.
    pub(crate) async fn work(&mut self) -> Overtaken {
        loop {
            if let Some(append) = &mut self.in_flight {
                let (frames, result) = append.await;
                self.in_flight = None;
                match result {
                    Ok(Appended::Yes) => {}
                    Ok(Appended::Refused) => return Overtaken,
                    Ok(Appended::Forgotten) => self.restart_log(),
                    Err(error) => {
                        tracing::warn!(%error, "events are delayed");
                        self.pending.splice(0..0, frames);
                        tokio::time::sleep(self.coalesce.max(MIN_APPEND_RETRY_PAUSE)).await;
                    }
                }
            }
            if self.published == self.text.len() && self.pending.is_empty() {
                // Nothing to publish until more is pushed, and then this is called again.
                return std::future::pending().await;
            }
            let due = match self.last_append {
                Some(last) => Some(last + self.coalesce),
                // The start waits a moment for the first text to go with it; the first text does not wait.
                None => self.text.is_empty().then(|| self.started + self.coalesce),
            };
            if let Some(due) = due {
                tokio::time::sleep_until(due).await;
            }
            self.start_append();
        }
    }

    /// Publishes the rest of the text and the end. The reply is stored by now: a failure is retried a few times, and
    /// after that clients learn the end from a snapshot.
    pub(crate) async fn finish(&mut self, end: &Event) {
        if self.drain().await.is_err() {
            return;
        }
        self.emit_end(end);
        let mut pause = END_BACKOFF;
        for _ in 0..MAX_END_TRIES {
            match append(self.bus.as_ref(), self.user, &self.pending).await {
                Ok(Appended::Forgotten) => {
                    self.restart_log();
                    self.emit_end(end);
                    continue;
                }
                Ok(_) => return,
                Err(error) => tracing::warn!(%error, "the end of a reply is published late"),
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    /// Publishes what is pending, before a retry. If that fails, clients miss no more than that there was this attempt.
    pub(crate) async fn abandon(&mut self) {
        if self.drain().await.is_ok()
            && let Err(error) = append(self.bus.as_ref(), self.user, &self.pending).await
        {
            tracing::debug!(%error, "the events of a failed attempt were not published");
        }
    }

    /// Waits for the append in flight.
    async fn drain(&mut self) -> Result<(), Overtaken> {
        let Some(append) = self.in_flight.take() else { return Ok(()) };
        let (frames, result) = append.await;
        match result {
            Ok(Appended::Yes) => {}
            Ok(Appended::Refused) => return Err(Overtaken),
            Ok(Appended::Forgotten) => self.restart_log(),
            Err(_) => _ = self.pending.splice(0..0, frames),
        }
        Ok(())
    }

    fn start_append(&mut self) {
        self.emit_text();
        self.last_append = Some(Instant::now());
        let bus = self.bus.clone();
        let user = self.user;
        let frames = std::mem::take(&mut self.pending);
        self.in_flight = Some(
            async move {
                let result = append(bus.as_ref(), user, &frames).await;
                (frames, result)
            }
            .boxed(),
        );
    }

    /// Begins the log again with a reset, after which the text is published from its beginning. What was pending is
    /// part of that.
    fn restart_log(&mut self) {
        self.republished |= self.published > 0;
        self.published = 0;
        self.pending.clear();
        self.emit(&Event::Reset { keep: 0 });
    }

    fn emit_end(&mut self, end: &Event) {
        if matches!(end, Event::Completed { .. }) {
            self.emit_text();
        }
        self.emit(end);
    }

    fn emit_text(&mut self) {
        if self.published < self.text.len() {
            let text = self.text[self.published..].to_owned();
            self.published = self.text.len();
            self.emit(&Event::Delta { text });
        }
    }

    fn emit(&mut self, event: &Event) {
        self.cursor.n += 1;
        let mut frame = Frame::new(self.request, self.conversation, self.cursor, self.clock.now(), event);
        if self.is_milestone(event)
            && let Some(trace) = trace::outgoing()
        {
            frame = frame.traced(trace);
        }
        self.pending.push(frame);
    }

    /// The events whose delivery is traced: that it began, the first text, and the end.
    fn is_milestone(&self, event: &Event) -> bool {
        match event {
            Event::Started { .. } => true,
            Event::Delta { text } => text.len() == self.published,
            event => event.kind().is_terminal(),
        }
    }
}

async fn append(bus: &dyn EventBus, user: UserId, frames: &[Frame]) -> Result<Appended, PortError> {
    let mut span = trace::span("append").kind(Kind::Producer);
    span.set("troupe.events", frames.len());
    let appended = span.scope(bus.append(user, frames)).await;
    if appended.is_err() {
        span.fail("Redis takes no events");
    }
    appended
}
