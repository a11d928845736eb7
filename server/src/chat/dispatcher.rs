//! Hands accepted requests to the queue, off the path of the call: many in one round trip.
//!
//! What is lost here (a full channel, Redis away, this process killed) is handed over by the sweeper: the request is
//! stored.

use std::sync::Arc;

use tokio::sync::mpsc;
use troupe_core::{
    events::Frame,
    ids::UserId,
    jobs::Dispatch,
    lifecycle::Tasks,
    ports::{EventBus, JobQueue},
};

const CAPACITY: usize = 8_192;
const BATCH: usize = 256;

/// An accepted request: the job, unless it waits its turn, and the news for the user's other sockets.
pub(crate) struct Accepted {
    pub(crate) user: UserId,
    pub(crate) dispatch: Option<Dispatch>,
    pub(crate) queued: Frame,
}

#[derive(Clone)]
pub(crate) struct Dispatcher(mpsc::Sender<Accepted>);

impl Dispatcher {
    pub(crate) fn start(jobs: Arc<dyn JobQueue>, bus: Arc<dyn EventBus>, tasks: &Tasks) -> Self {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        tasks.spawn(run(receiver, jobs, bus, tasks.shutdown().clone()));
        Self(sender)
    }

    pub(crate) fn hand_over(&self, accepted: Accepted) {
        if self.0.try_send(accepted).is_err() {
            tracing::warn!("the dispatcher is behind; the sweeper will hand a request over");
        }
    }
}

async fn run(
    mut receiver: mpsc::Receiver<Accepted>,
    jobs: Arc<dyn JobQueue>,
    bus: Arc<dyn EventBus>,
    shutdown: tokio_util::sync::CancellationToken,
) {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            biased;
            // What was accepted before the shutdown still goes out.
            taken = receiver.recv_many(&mut batch, BATCH) => if taken == 0 { return },
            () = shutdown.cancelled() => return,
        }
        let (mut dispatches, mut news) = (Vec::with_capacity(batch.len()), Vec::with_capacity(batch.len()));
        for Accepted { user, dispatch, queued } in batch.drain(..) {
            dispatches.extend(dispatch);
            news.push((user, queued));
        }
        // The news first in the connection's order: a reply must not be heard of before its question.
        let (told, queued) = tokio::join!(bus.publish(&news), jobs.enqueue(&dispatches));
        if let Err(error) = queued {
            tracing::warn!(%error, requests = dispatches.len(), "the sweeper will hand these over");
        }
        if let Err(error) = told {
            tracing::warn!(%error, "sockets were not told of accepted messages");
        }
    }
}
