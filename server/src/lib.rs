//! The web tier: accepts messages, pushes replies, serves the pages.
//!
//! A route extracts, calls a use case and responds. Live events come in through [`push`]'s hub, which every kind of
//! connection subscribes to: sockets, event streams and calls that wait.

mod accounts;
mod admin;
mod audit;
mod auth;
mod chat;
pub mod commands;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod health;
mod http;
mod interview;
mod knowledge;
mod live;
mod mail;
mod pages;
mod personas;
mod router;
mod sockets;
mod state;

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use troupe_core::{
    adapters::{
        embedders,
        limiters::StandingIn,
        outgoing::{Outgoing, SystemResolver},
        redis::{
            RedisCache, RedisEventBus, RedisHandle, RedisJobQueue, RedisLimiter, RedisProviderBoard, RedisSessionStore,
        },
    },
    batch::Batcher,
    clock::SystemClock,
    config::{Config, Live},
    lifecycle::Tasks,
    ports::{EventBus, JobQueue},
};
use troupe_db::{
    accounts::tiers, readiness::ReadinessProbe, replies::accept::Limits, retrieval::Retriever, vector_stores,
};

use crate::{
    admin::queue_snapshot::LastStored,
    auth::{passwords::Passwords, revocations::Endings, tokens::Tokens},
    chat::{accept_batch::Accepts, dispatcher::Dispatcher, queue_gauge::QueueGauge},
    http::limits::{concurrency::Places, rate_limits::Rates},
    live::{connections::Sessions, hub::Hub},
    mail::outbox::Outbox,
    state::{AppState, Parts},
};

pub use accounts::demo_account::EMAIL as DEMO_EMAIL;
pub use router::openapi;

/// As PostgreSQL knows it.
const APPLICATION: &str = "troupe-server";
/// Statements that accept messages: so many at a time, for so many messages each.
const ACCEPT_LANES: usize = 1;
const ACCEPT_BATCH: usize = 64;

/// A web tier that is connected and bound, and not yet serving.
pub struct Server {
    state: AppState,
    listener: TcpListener,
    redis: RedisHandle,
    tasks: Tasks,
}

impl Server {
    /// Connects, migrates, and binds.
    pub async fn start(live: Live) -> anyhow::Result<Self> {
        let config = Config::clone(&live.now());
        let pool = troupe_db::connect(&config.database, APPLICATION).await?;
        let redis = RedisHandle::connect(&live).await?;
        let bus: Arc<dyn EventBus> = Arc::new(RedisEventBus::with_subscriptions(redis.clone(), &config.events).await?);
        let jobs: Arc<dyn JobQueue> = Arc::new(RedisJobQueue::new(redis.clone()));
        let tasks = Tasks::default();
        let address = troupe_db::follow_address(pool.clone(), config.database.clone(), live.subscribe(), APPLICATION);
        let stop = tasks.shutdown().clone();
        tasks.spawn(async move { stop.run_until_cancelled(address).await });
        let hub = Hub::start(bus.clone(), &tasks, config.server.session_backlog);
        let dispatcher = Dispatcher::start(jobs.clone(), bus.clone(), &tasks);
        let accepts = Accepts { pool: pool.clone(), limits: Limits::from(&config.queue) };
        let accepts = Batcher::start(accepts, ACCEPT_LANES, ACCEPT_BATCH, &tasks);
        let tiers = tiers::list(&pool).await?;
        let limiter = RedisLimiter::new(redis.clone(), config.rate_limits.timeout);
        let limiter = Arc::new(StandingIn::new(Arc::new(limiter)));
        let rates = Rates::start(config.rate_limits.clone(), limiter, &tiers, pool.clone(), &tasks);
        let tiers = tiers.into_iter().map(|tier| tier.name).collect();
        let gauge = QueueGauge::start(tiers, pool.clone(), jobs.clone(), Arc::new(SystemClock), &tasks);
        let passwords = Passwords::new(&config.auth)?;
        commands::ensure_configured_admin(&pool, &passwords, &config).await?;
        let outbox = Outbox::new(mail::from_config(&live)?, &config.mail, &tasks);
        let ttl = config.auth.access_token_ttl;
        let tokens = Tokens::start(pool.clone(), Arc::new(SystemClock), ttl, &tasks)
            .await
            .map_err(|error| anyhow::anyhow!("read the signing keys: {}", error.problem().detail))?;
        let sessions = Sessions::new(config.server.max_sockets, config.server.sockets_per_user);
        let endings = Endings::start(pool.clone(), sessions.clone(), ttl, &tasks).await?;
        let browsers = RedisSessionStore::new(redis.clone(), Arc::new(SystemClock), config.auth.session_ttl);
        let embedder = embedders::from_config(&live)?;
        let store = vector_stores::from_config(&live, embedder.as_ref(), pool.clone())?;
        let retriever = Retriever {
            pool: pool.clone(),
            embedder,
            store,
            settings: config.retrieval.clone(),
            clock: Arc::new(SystemClock),
        };
        let listener = TcpListener::bind(config.server.listen)
            .await
            .with_context(|| format!("listen on {} (server.listen)", config.server.listen))?;
        let state = AppState::new(Parts {
            pool,
            readiness: ReadinessProbe::new(live.clone(), APPLICATION),
            bus,
            jobs,
            board: Arc::new(RedisProviderBoard::new(redis.clone())),
            reply_cache: Arc::new(RedisCache::replies(redis.clone())),
            retriever,
            outgoing: Outgoing::new(&config.outgoing, Arc::new(SystemResolver))?,
            hub,
            accepts,
            dispatcher,
            gauge,
            last_stored: LastStored::default(),
            tokens,
            passwords,
            outbox,
            places: Places::new(&config.server),
            rates,
            sessions,
            browsers: Arc::new(browsers),
            endings,
            clock: Arc::new(SystemClock),
            live,
            config,
        });
        Ok(Self { state, listener, redis, tasks })
    }

    pub fn address(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// Makes sure that the demo account is there, before anybody calls.
    pub async fn ensure_demo_account(&self, password: &str) -> anyhow::Result<()> {
        let ensured = accounts::demo_account::ensure(&self.state.pool, &self.state.passwords, password).await;
        ensured.map_err(|error| anyhow::anyhow!("make sure of the demo account: {error:?}"))
    }

    /// Serves until the shutdown, then lets calls in flight finish and closes the sockets.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        tracing::info!(address = %self.address()?, "listening");
        let Self { state, listener, redis, tasks } = self;
        let sessions = state.sessions.clone();
        let drain = state.config.server.drain;
        let app = router::build(state.clone());
        let serving = http::serve::serve(listener, app, &state.config.server, shutdown.clone());
        let closing = async {
            shutdown.cancelled().await;
            sessions.close_all(drain).await;
        };
        let both = async { tokio::join!(serving, closing) };
        let overtime = async {
            shutdown.cancelled().await;
            tokio::time::sleep(drain).await;
        };
        tokio::select! {
            ((), ()) = both => {}
            () = overtime => tracing::warn!("calls in flight were cut off"),
        }
        tasks.finish(drain).await;
        redis.close().await;
        state.pool.close().await;
        tracing::info!("stopped");
        Ok(())
    }
}
