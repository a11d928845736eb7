//! What the handlers share.

use std::{ops::Deref, sync::Arc};

use sqlx::PgPool;
use troupe_core::{
    adapters::outgoing::Outgoing,
    batch::Batcher,
    clock::Clock,
    config::{Config, Live},
    ports::{Cache, EventBus, JobQueue, ProviderBoard, SessionStore},
};
use troupe_db::{readiness::ReadinessProbe, replies::accept::Limits, retrieval::Retriever};

use crate::{
    admin::queue_snapshot::LastStored,
    auth::{passwords::Passwords, revocations::Endings, tokens::Tokens},
    chat::{accept_batch::Accepts, dispatcher::Dispatcher, queue_gauge::QueueGauge},
    http::limits::{concurrency::Places, rate_limits::Rates},
    live::{connections::Sessions, hub::Hub},
    mail::outbox::Outbox,
};

pub(crate) struct Parts {
    pub(crate) pool: PgPool,
    /// For `/ready`, which must not wait for the pool.
    pub(crate) readiness: ReadinessProbe,
    pub(crate) bus: Arc<dyn EventBus>,
    pub(crate) jobs: Arc<dyn JobQueue>,
    /// What workers tell of the model services.
    pub(crate) board: Arc<dyn ProviderBoard>,
    pub(crate) reply_cache: Arc<dyn Cache>,
    pub(crate) retriever: Retriever,
    /// For addresses that users give, and the only way to them.
    pub(crate) outgoing: Outgoing,
    pub(crate) hub: Hub,
    pub(crate) accepts: Batcher<Accepts>,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) gauge: QueueGauge,
    pub(crate) last_stored: LastStored,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) passwords: Passwords,
    pub(crate) outbox: Outbox,
    /// Open sockets.
    pub(crate) sessions: Sessions,
    /// Signed-in browsers.
    pub(crate) browsers: Arc<dyn SessionStore>,
    pub(crate) endings: Endings,
    pub(crate) places: Places,
    pub(crate) rates: Rates,
    pub(crate) clock: Arc<dyn Clock>,
    /// With the keys of providers as they are now.
    pub(crate) live: Live,
    /// As it was at the start.
    pub(crate) config: Config,
}

#[derive(Clone)]
pub(crate) struct AppState(Arc<Parts>);

impl AppState {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Parts {
    /// What one user may have under way.
    pub(crate) fn limits(&self) -> Limits {
        Limits::from(&self.config.queue)
    }
}

impl Deref for AppState {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
