//! Conversations: accepting messages, dispatching their requests, cancelling, waiting and event streams.

pub(crate) mod accept_batch;
pub(crate) mod cancel;
pub(crate) mod conversation_events;
pub(crate) mod dispatcher;
pub(crate) mod event_stream;
pub(crate) mod export;
pub(crate) mod follow;
pub(crate) mod queue_gauge;
pub(crate) mod routes;
pub(crate) mod search;
pub(crate) mod send;
pub(crate) mod terminal_event;
pub(crate) mod turns;
pub(crate) mod wait;
pub(crate) mod waiting_line;

use std::sync::Arc;

use sqlx::PgPool;
use troupe_core::{
    batch::Batcher,
    clock::Clock,
    config::Config,
    ports::{EventBus, JobQueue},
};
use troupe_db::{Reads, replies::accept::Limits};

use crate::live::Live;
use accept_batch::AcceptBatch;

pub(crate) struct Chat {
    pub(crate) pool: PgPool,
    /// For what may be seen late.
    pub(crate) reads: Reads,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: Arc<Config>,
    pub(crate) bus: Arc<dyn EventBus>,
    pub(crate) jobs: Arc<dyn JobQueue>,
    pub(crate) live: Arc<Live>,
    pub(crate) accepts: Batcher<AcceptBatch>,
    pub(crate) dispatcher: dispatcher::Dispatcher,
    pub(crate) gauge: queue_gauge::QueueGauge,
}

impl Chat {
    /// The limits on one user's open requests.
    pub(crate) fn limits(&self) -> Limits {
        Limits::from(&self.config.queue)
    }
}
