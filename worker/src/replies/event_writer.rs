//! Tells a reply as it is written: numbers its events, gathers text that comes quickly into one, and appends to the log.
//!
//! At most one append is under way; what comes meanwhile goes with the next. The first text goes at once, later text no
//! sooner than the coalescing time after the last. While Redis is away nothing is dropped: it is all told when it is back.
//! Where Redis has lost the log, the whole text is told anew, so that the log is again what clients must see.

use std::{pin::Pin, sync::Arc, time::Duration};

use futures::FutureExt;
use tokio::time::Instant;
use troupe_core::{
    clock::Clock,
    events::{Cursor, Event, Frame},
    ids::{ConversationId, RequestId, UserId},
    ports::{Appended, EventBus, PortError},
};
use troupe_db::replies::claim::Claimed;

type Append = Pin<Box<dyn Future<Output = (Vec<Frame>, Result<Appended, PortError>)> + Send>>;

/// The attempt has been overtaken by a newer one: whatever it still does must be nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overtaken;

pub(crate) struct ReplyWriter {
    bus: Arc<dyn EventBus>,
    clock: Arc<dyn Clock>,
    user: UserId,
    request: RequestId,
    conversation: ConversationId,
    coalesce: Duration,
    cursor: Cursor,
    /// The whole reply so far.
    text: String,
    /// How much of it is in events already.
    told: usize,
    /// Whether any was before it was told anew.
    retold: bool,
    waiting: Vec<Frame>,
    under_way: Option<Append>,
    started: Instant,
    last_append: Option<Instant>,
}

impl ReplyWriter {
    /// Begins the attempt's events; takes back what an earlier attempt had shown.
    pub(crate) fn new(bus: Arc<dyn EventBus>, clock: Arc<dyn Clock>, claimed: &Claimed, coalesce: Duration) -> Self {
        let attempt = u32::try_from(claimed.attempt).unwrap_or_default();
        let mut writer = Self {
            bus,
            clock,
            user: claimed.user_id,
            request: claimed.request_id,
            conversation: claimed.conversation_id,
            coalesce,
            cursor: Cursor { attempt, n: 0 },
            text: String::new(),
            told: 0,
            retold: false,
            waiting: Vec::new(),
            under_way: None,
            started: Instant::now(),
            last_append: None,
        };
        if claimed.shown {
            writer.tell(&Event::Reset { keep: 0 });
        }
        writer.tell(&Event::Started { attempt, correlation_id: claimed.correlation_id.clone() });
        writer
    }

    /// Without zero characters, of which PostgreSQL stores none: a reply that has one could never be finished.
    pub(crate) fn push(&mut self, text: &str) {
        self.text.extend(text.split('\0'));
    }

    /// Takes back all text: a failed provider's, before the first word of the next. What nobody was told of needs no news.
    pub(crate) fn take_back(&mut self) {
        if self.told > 0 {
            self.retold = true;
            self.told = 0;
            self.tell(&Event::Reset { keep: 0 });
        }
        self.text.clear();
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
        self.told > 0 || self.retold
    }

    /// Works on the appends; returns when the attempt is overtaken. Meant to be polled beside the model's stream.
    pub(crate) async fn work(&mut self) -> Overtaken {
        loop {
            if let Some(append) = &mut self.under_way {
                let (frames, result) = append.await;
                self.under_way = None;
                match result {
                    Ok(Appended::Yes) => {}
                    Ok(Appended::Refused) => return Overtaken,
                    Ok(Appended::Forgotten) => self.tell_anew(),
                    Err(error) => {
                        tracing::warn!(%error, "events are delayed");
                        self.waiting.splice(0..0, frames);
                        tokio::time::sleep(self.coalesce.max(Duration::from_millis(100))).await;
                    }
                }
            }
            if self.told == self.text.len() && self.waiting.is_empty() {
                // Nothing to tell until more is pushed, and then this is called anew.
                return std::future::pending().await;
            }
            let due = match self.last_append {
                Some(last) => Some(last + self.coalesce),
                // The news of the start waits a moment for the first words; they themselves do not wait.
                None => self.text.is_empty().then(|| self.started + self.coalesce),
            };
            if let Some(due) = due {
                tokio::time::sleep_until(due).await;
            }
            self.begin_append();
        }
    }

    /// Tells the rest of the text and how it ended. The reply is safe by now: a failure is tried again a few times, and after
    /// that clients learn it from a snapshot.
    pub(crate) async fn finish(mut self, ending: &Event) {
        if self.settle().await.is_err() {
            return;
        }
        self.tell_end(ending);
        let mut pause = Duration::from_millis(100);
        for _ in 0..6 {
            match self.bus.append(self.user, &self.waiting).await {
                Ok(Appended::Forgotten) => {
                    self.tell_anew();
                    self.tell_end(ending);
                    continue;
                }
                Ok(_) => return,
                Err(error) => tracing::warn!(%error, "the end of a reply is told late"),
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    /// Tells what waits to be told, where another attempt will follow. If that fails, nobody misses more than that this one was.
    pub(crate) async fn abandon(mut self) {
        if self.settle().await.is_ok()
            && let Err(error) = self.bus.append(self.user, &self.waiting).await
        {
            tracing::debug!(%error, "an attempt that failed was not told of");
        }
    }

    /// Waits for the append that is under way.
    async fn settle(&mut self) -> Result<(), Overtaken> {
        let Some(append) = self.under_way.take() else { return Ok(()) };
        let (frames, result) = append.await;
        match result {
            Ok(Appended::Yes) => {}
            Ok(Appended::Refused) => return Err(Overtaken),
            Ok(Appended::Forgotten) => self.tell_anew(),
            Err(_) => _ = self.waiting.splice(0..0, frames),
        }
        Ok(())
    }

    fn begin_append(&mut self) {
        self.tell_text();
        self.last_append = Some(Instant::now());
        let (bus, user, frames) = (self.bus.clone(), self.user, std::mem::take(&mut self.waiting));
        self.under_way = Some(
            async move {
                let result = bus.append(user, &frames).await;
                (frames, result)
            }
            .boxed(),
        );
    }

    /// Takes all text back, to be told once more from its beginning. What could not be told is part of that.
    fn tell_anew(&mut self) {
        self.retold |= self.told > 0;
        self.told = 0;
        self.waiting.clear();
        self.tell(&Event::Reset { keep: 0 });
    }

    fn tell_end(&mut self, ending: &Event) {
        if matches!(ending, Event::Completed { .. }) {
            self.tell_text();
        }
        self.tell(ending);
    }

    fn tell_text(&mut self) {
        if self.told < self.text.len() {
            let text = self.text[self.told..].to_owned();
            self.told = self.text.len();
            self.tell(&Event::Delta { text });
        }
    }

    fn tell(&mut self, event: &Event) {
        self.cursor.n += 1;
        self.waiting.push(Frame::new(self.request, self.conversation, self.cursor, self.clock.now(), event));
    }
}
