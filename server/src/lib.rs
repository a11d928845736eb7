//! The web tier: accepts messages, pushes replies, serves the pages.
//!
//! A route extracts, calls a use case and responds. Live events come in through [`push`]'s hub, which every kind of
//! connection subscribes to: sockets, event streams and calls that wait.

mod auth;
mod dispatcher;
mod error;
mod extract;
mod pages;
mod push;
mod queue_gauge;
mod router;
mod routes;
mod state;
mod usecase;

use std::{future::IntoFuture, net::SocketAddr, sync::Arc};

use anyhow::Context;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use troupe_shared::{
    adapters::{
        embedders,
        redis::{RedisCache, RedisEventBus, RedisHandle, RedisJobQueue, RedisProviderBoard, RedisSessionStore},
        vector_stores,
    },
    batch::Batcher,
    clock::SystemClock,
    config::Config,
    db::{self, accepts::Limits},
    lifecycle::Tasks,
    model::audit::{By, On},
    ports::{EventBus, JobQueue},
    retrieval::Retriever,
};

use crate::{
    auth::{endings::Endings, passwords::Passwords, tokens::Tokens},
    dispatcher::Dispatcher,
    push::{hub::Hub, sessions::Sessions},
    queue_gauge::QueueGauge,
    state::{AppState, Parts},
    usecase::{accepts::Accepts, stored_queue::LastStored},
};

pub use router::openapi;
pub use usecase::demo_account;

/// Statements that accept messages: so many at a time, for so many messages each.
const ACCEPT_LANES: usize = 1;
const ACCEPT_BATCH: usize = 64;

/// Makes the account with this address an admin's.
pub async fn make_admin(config: &Config, email: &str) -> anyhow::Result<()> {
    let pool = db::connect(&config.database, "troupe-server").await?;
    let mut transaction = pool.begin().await?;
    let user_id = db::users::make_admin(&mut *transaction, email.trim()).await?;
    let user_id = user_id.with_context(|| format!("there is no account with the address {email}"))?;
    db::audit::append(&mut *transaction, &By::OPERATOR.does("role.changed").on(On::user(user_id)).after("admin"))
        .await?;
    transaction.commit().await?;
    tracing::info!(%user_id, "is an admin now");
    pool.close().await;
    Ok(())
}

/// Gives a role of the database what servers and workers need, and no more; brings the schema up to date before, unless told
/// otherwise.
pub async fn grant_runtime(config: &Config, role: &str) -> anyhow::Result<()> {
    let pool = db::connect(&config.database, "troupe-server").await?;
    db::runtime_role::grant(&pool, role).await.with_context(|| format!("give the role {role} what it needs"))?;
    tracing::info!(role, "may run servers and workers now");
    pool.close().await;
    Ok(())
}

/// A web tier that is connected and bound, and not yet serving.
pub struct Server {
    state: AppState,
    listener: TcpListener,
    redis: RedisHandle,
    tasks: Tasks,
}

impl Server {
    /// Connects, migrates, and binds.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let pool = db::connect(&config.database, "troupe-server").await?;
        let redis = RedisHandle::connect(&config.redis).await?;
        let bus: Arc<dyn EventBus> = Arc::new(RedisEventBus::with_subscriptions(redis.clone(), &config.events).await?);
        let jobs: Arc<dyn JobQueue> = Arc::new(RedisJobQueue::new(redis.clone()));
        let tasks = Tasks::default();
        let hub = Hub::start(bus.clone(), &tasks, config.server.session_backlog);
        let dispatcher = Dispatcher::start(jobs.clone(), bus.clone(), &tasks);
        let accepts = Accepts { pool: pool.clone(), limits: Limits::from(&config.queue) };
        let accepts = Batcher::start(accepts, ACCEPT_LANES, ACCEPT_BATCH, &tasks);
        let tiers = db::users::tiers(&pool).await?.into_iter().map(|tier| tier.name).collect();
        let gauge = QueueGauge::start(tiers, pool.clone(), jobs.clone(), Arc::new(SystemClock), &tasks);
        let ttl = config.auth.access_token_ttl;
        let tokens = Tokens::start(pool.clone(), Arc::new(SystemClock), ttl, &tasks)
            .await
            .map_err(|error| anyhow::anyhow!("read the signing keys: {}", error.problem().detail))?;
        let sessions = Sessions::new(config.server.max_sockets, config.server.sockets_per_user);
        let endings = Endings::start(pool.clone(), sessions.clone(), ttl, &tasks).await?;
        let browsers = RedisSessionStore::new(redis.clone(), Arc::new(SystemClock), config.auth.session_ttl);
        let embedder = embedders::from_config(&config)?;
        let store = vector_stores::from_config(&config, embedder.as_ref(), pool.clone())?;
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
            bus,
            jobs,
            board: Arc::new(RedisProviderBoard::new(redis.clone())),
            reply_cache: Arc::new(RedisCache::replies(redis.clone())),
            retriever,
            hub,
            accepts,
            dispatcher,
            gauge,
            last_stored: LastStored::default(),
            tokens,
            passwords: Passwords::new(),
            sessions,
            browsers: Arc::new(browsers),
            endings,
            clock: Arc::new(SystemClock),
            config,
        });
        Ok(Self { state, listener, redis, tasks })
    }

    pub fn address(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// For what has to be there before anybody calls: see [`demo_account`].
    pub fn pool(&self) -> &sqlx::PgPool {
        &self.state.pool
    }

    /// Serves until the shutdown, then lets calls in flight finish and closes the sockets.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        tracing::info!(address = %self.address()?, "listening");
        let Self { state, listener, redis, tasks } = self;
        let sessions = state.sessions.clone();
        let drain = state.config.server.drain;
        let listener = listener.tap_io(|connection| {
            if let Err(error) = connection.set_nodelay(true) {
                tracing::debug!(%error, "a connection without TCP_NODELAY");
            }
        });
        let app = router::build(state.clone());
        let stop = shutdown.clone();
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        let serving = axum::serve(listener, app).with_graceful_shutdown(async move { stop.cancelled().await });
        let closing = async {
            shutdown.cancelled().await;
            sessions.close_all(drain).await;
        };
        let both = async { tokio::join!(serving.into_future(), closing).0 };
        let overtime = async {
            shutdown.cancelled().await;
            tokio::time::sleep(drain).await;
        };
        tokio::select! {
            served = both => served?,
            () = overtime => tracing::warn!("calls in flight were cut off"),
        }
        tasks.finish(drain).await;
        redis.close().await;
        state.pool.close().await;
        tracing::info!("stopped");
        Ok(())
    }
}
