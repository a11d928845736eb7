//! Dispatches accepted requests to the queue, off the path of the call and in batches.
//!
//! A dispatch that is lost here (a full channel, Redis away, this process killed) is made up for by the sweeper: the
//! request is stored.

use std::sync::Arc;

use tokio::sync::mpsc;
use troupe_core::{
    events::Frame,
    ids::UserId,
    jobs::Dispatch,
    lifecycle::Tasks,
    ports::{EventBus, JobQueue},
    trace::{self, Kind, Span},
};

use crate::metrics::CHAT;

const CHANNEL_CAPACITY: usize = 8_192;
const MAX_BATCH: usize = 256;

/// An accepted request: its job, unless it waits its turn, and the event for the user's other connections.
pub(crate) struct Accepted {
    pub(crate) user: UserId,
    pub(crate) dispatch: Option<Dispatch>,
    pub(crate) queued: Frame,
}

#[derive(Clone)]
pub(crate) struct Dispatcher(mpsc::Sender<(Accepted, Span)>);

impl Dispatcher {
    pub(crate) fn start(jobs: Arc<dyn JobQueue>, bus: Arc<dyn EventBus>, tasks: &Tasks) -> Self {
        let (sender, receiver) = mpsc::channel(CHANNEL_CAPACITY);
        tasks.spawn(run(receiver, jobs, bus, tasks.shutdown().clone()));
        Self(sender)
    }

    pub(crate) fn hand_over(&self, accepted: Accepted) {
        let dispatched = accepted.dispatch.is_some();
        let span = if dispatched { trace::span("dispatch").kind(Kind::Producer) } else { Span::default() };
        if self.0.try_send((accepted, span)).is_err() {
            tracing::warn!("the dispatcher is behind; the sweeper will hand a request over");
        }
    }
}

async fn run(
    mut receiver: mpsc::Receiver<(Accepted, Span)>,
    jobs: Arc<dyn JobQueue>,
    bus: Arc<dyn EventBus>,
    shutdown: tokio_util::sync::CancellationToken,
) {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    loop {
        tokio::select! {
            biased;
            // What was accepted before the shutdown is still dispatched.
            count = receiver.recv_many(&mut batch, MAX_BATCH) => if count == 0 { return },
            () = shutdown.cancelled() => return,
        }
        let mut dispatches = Vec::with_capacity(batch.len());
        let mut events = Vec::with_capacity(batch.len());
        let mut spans = Vec::new();
        for (Accepted { user, dispatch, queued }, span) in batch.drain(..) {
            dispatches.extend(dispatch);
            events.push((user, queued));
            spans.extend(span.is_recorded().then_some(span));
        }
        // The events come first in the connection's order: a reply must not be published before its question.
        let (published, enqueued) = tokio::join!(bus.publish(&events), jobs.enqueue(&dispatches));
        if let Err(error) = enqueued {
            tracing::warn!(%error, requests = dispatches.len(), "the sweeper will hand these over");
            CHAT.undispatched.inc_by(dispatches.len() as u64);
            for span in &mut spans {
                span.fail("the sweeper will hand it over");
            }
        }
        if let Err(error) = published {
            tracing::warn!(%error, "sockets were not told of accepted messages");
        }
    }
}
