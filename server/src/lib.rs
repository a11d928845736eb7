//! The web tier: accepts messages, pushes replies, serves the pages.
//!
//! A route extracts, calls an operation and responds. Live events come in through the hub of [`live`], which every kind
//! of connection subscribes to: sockets, event streams and calls that wait.

mod accounts;
mod admin;
mod audit;
mod auth;
mod chat;
pub mod commands;
mod demo;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod health;
mod http;
mod interview;
mod knowledge;
mod live;
pub mod metrics;
mod openai;
mod ordered;
mod pages;
mod personas;
mod push;
mod router;
mod sockets;
mod speech;
mod state;
mod translation;
mod wellbeing;

use std::{
    io::ErrorKind,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::Context;
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use troupe_core::{
    adapters::{
        embedders,
        limiters::FallbackLimiter,
        outgoing::{Outgoing, SystemResolver},
        redis::{
            RedisCache, RedisEventBus, RedisHandle, RedisJobQueue, RedisLimiter, RedisProviderBoard, RedisSessionStore,
        },
    },
    batch::Batcher,
    clock::{Clock, SystemClock},
    config::{self, Config, Live, Speaker},
    lifecycle::Tasks,
    model::admin::{ProcessKind, Tier},
    ports::{EventBus, JobQueue},
};
use troupe_db::{
    Reads, accounts::tiers, operations::processes, readiness::ReadinessProbe, replies::accept::Limits,
    retrieval::Retriever, vector_stores,
};
use troupe_telemetry::Wellbeing;

use crate::{
    accounts::Accounts,
    admin::{Admin, health::FindingsCache, queue_snapshot::QueueSnapshotCache},
    auth::{Auth, passwords::Passwords, revocations::RevokedCredentials, tokens::Tokens},
    chat::{Chat, accept_batch::AcceptBatch, dispatcher::Dispatcher, queue_gauge::QueueGauge},
    health::Probes,
    http::{
        Http,
        limits::{concurrency::ConcurrencyLimits, rate_limits::RateLimiter},
        serve::{self, tls::Tls},
    },
    interview::Interview,
    knowledge::Knowledge,
    live::{connections::Connections, hub::Hub},
    openai::OpenAi,
    personas::{Personas, Pictures},
    push::Push,
    sockets::Sockets,
    speech::Speech,
    state::AppState,
    translation::Translation,
    wellbeing::Watched,
};

pub use demo::account::EMAIL as DEMO_EMAIL;
pub use router::openapi;

/// The application's name in PostgreSQL.
const APPLICATION: &str = "troupe-server";
/// Concurrent statements that accept messages, and messages per statement.
const ACCEPT_LANES: usize = 1;
const ACCEPT_BATCH: usize = 64;

/// A web tier that is connected and bound, and not yet serving.
pub struct Server {
    state: AppState,
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    base: Base,
    live: Arc<live::Live>,
}

/// Connections, configuration and tasks: what every feature is started with.
struct Base {
    pool: PgPool,
    reads: Reads,
    redis: RedisHandle,
    bus: Arc<dyn EventBus>,
    jobs: Arc<dyn JobQueue>,
    clock: Arc<dyn Clock>,
    tiers: Vec<Tier>,
    configuration: Live,
    /// As it was at the start.
    config: Arc<Config>,
    tasks: Tasks,
}

impl Server {
    /// Connects, migrates, and binds.
    pub async fn start(configuration: Live, wellbeing: &Wellbeing) -> anyhow::Result<Self> {
        let base = Base::connect(configuration).await?;
        let live = base.start_live();
        let concurrency = ConcurrencyLimits::new(&base.config.server);
        let auth = base.start_auth(&live, concurrency.clone()).await?;
        let accounts = base.start_accounts(auth.clone()).await?;
        let chat = base.start_chat(live.clone());
        let knowledge = base.knowledge()?;
        let admin = base.start_admin(accounts.clone(), chat.clone());
        base.report_process(&live);
        let state = AppState {
            http: base.http(concurrency),
            personas: base.personas(),
            interview: base.interview(),
            openai: base.openai(chat.clone(), &knowledge),
            speech: base.speech(chat.clone()),
            translation: base.translation(),
            push: Arc::new(Push { pool: base.pool.clone(), config: base.config.clone() }),
            knowledge,
            sockets: base.sockets(auth.clone(), live.clone(), chat.clone(), admin.clone()),
            health: base.health(),
            auth,
            accounts,
            chat,
            admin,
        };
        wellbeing.add(Arc::new(Watched {
            probes: state.health.clone(),
            admin: state.admin.clone(),
            clock: base.clock.clone(),
        }));
        let listener = bind(base.config.server.listen).await?;
        let tls = base.start_tls()?;
        Ok(Self { state, listener, tls, base, live })
    }

    pub fn address(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// Ensures that the demo account exists, with personas to talk to, before the first call.
    pub async fn ensure_demo(&self, password: &str) -> anyhow::Result<()> {
        let Accounts { pool, passwords, .. } = &*self.state.accounts;
        let account = demo::account::ensure(pool, passwords, password).await.context("set up the demo account")?;
        if let Some(account) = account {
            demo::ensure_personas(pool, account).await.context("set up the demo account's personas")?;
        }
        Ok(())
    }

    /// Serves until the shutdown, then lets calls in flight finish and closes the sockets.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        tracing::info!(address = %self.address()?, tls = self.tls.is_some(), "listening");
        let Self { state, listener, tls, base, live } = self;
        let Base { pool, reads, redis, config, tasks, .. } = base;
        let drain = config.server.drain;
        let closed = CancellationToken::new();
        let leaving = leave(&state.health, &config.server, &shutdown, &closed);
        let serving = serve::serve(listener, router::build(state.clone()), &config.server, tls, closed.clone());
        let closing = async {
            closed.cancelled().await;
            live.connections.close_all(drain).await;
        };
        let both = async { tokio::join!(leaving, serving, closing) };
        let overtime = async {
            closed.cancelled().await;
            tokio::time::sleep(drain).await;
        };
        tokio::select! {
            ((), (), ()) = both => {}
            () = overtime => tracing::warn!("calls in flight were cut off"),
        }
        tasks.finish(drain).await;
        redis.close().await;
        reads.close().await;
        pool.close().await;
        tracing::info!("stopped");
        Ok(())
    }
}

/// From the shutdown on, `/ready` says that others are to be called; after a while connections are no longer taken.
async fn leave(probes: &Probes, config: &config::Server, shutdown: &CancellationToken, closed: &CancellationToken) {
    shutdown.cancelled().await;
    probes.leaving.store(true, Ordering::Relaxed);
    tokio::time::sleep(config.leave).await;
    closed.cancel();
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    let taken = bound.as_ref().is_err_and(|error| error.kind() == ErrorKind::AddrInUse);
    bound.with_context(|| {
        if taken {
            format!("another program listens on {address} already: stop it, or give TROUPE_SERVER__LISTEN another port")
        } else {
            format!("listen on {address} (server.listen)")
        }
    })
}

impl Base {
    async fn connect(configuration: Live) -> anyhow::Result<Self> {
        let config = Arc::new(Config::clone(&configuration.now()));
        let (pool, follower) = troupe_db::connect_and_follow(&config.database, APPLICATION).await?;
        let (reads, watch) = Reads::new(&config.database, APPLICATION, pool.clone())?;
        let redis = RedisHandle::connect(&configuration).await?;
        let bus = Arc::new(RedisEventBus::with_subscriptions(redis.clone(), &config.events).await?);
        let jobs = Arc::new(RedisJobQueue::new(redis.clone()));
        let tiers = tiers::list(&pool).await?;
        let tasks = Tasks::default();
        tasks.spawn_until_shutdown(follower.run(configuration.subscribe()));
        if let Some(watch) = watch {
            tasks.spawn_until_shutdown(watch.run(configuration.subscribe()));
        }
        Ok(Self { pool, reads, redis, bus, jobs, clock: Arc::new(SystemClock), tiers, configuration, config, tasks })
    }

    fn speech(&self, chat: Arc<Chat>) -> Arc<Speech> {
        Arc::new(Speech { pool: self.pool.clone(), chat, configuration: self.configuration.clone() })
    }

    fn openai(&self, chat: Arc<Chat>, knowledge: &Knowledge) -> Arc<OpenAi> {
        Arc::new(OpenAi::new(self.pool.clone(), chat, knowledge.retriever.embedder.clone(), self.tasks.clone()))
    }

    fn translation(&self) -> Arc<Translation> {
        Arc::new(Translation::new(self.pool.clone(), self.configuration.clone()))
    }

    fn http(&self, concurrency: ConcurrencyLimits) -> Arc<Http> {
        let access_log = self.config.telemetry.access_log;
        Arc::new(Http { config: Arc::new(self.config.server.clone()), concurrency, access_log })
    }

    fn start_live(&self) -> Arc<live::Live> {
        let server = &self.config.server;
        Arc::new(live::Live {
            hub: Hub::start(self.bus.clone(), &self.tasks, server.session_backlog),
            connections: Connections::new(server.max_sockets, server.sockets_per_user),
        })
    }

    /// Tells admins of this process while it is there.
    fn report_process(&self, live: &Arc<live::Live>) {
        let live = live.clone();
        let sockets = move || Some(live.connections.count());
        let shutdown = self.tasks.shutdown().clone();
        self.tasks.spawn(processes::report_while_alive(self.pool.clone(), ProcessKind::Server, sockets, shutdown));
    }

    fn start_tls(&self) -> anyhow::Result<Option<Arc<Tls>>> {
        let tls = Tls::from_config(&self.config.server)?.map(Arc::new);
        if let Some(tls) = tls.clone() {
            self.tasks.spawn_until_shutdown(async move { tls.follow_files().await });
        }
        Ok(tls)
    }

    fn start_rate_limiter(&self) -> RateLimiter {
        let limiter = RedisLimiter::new(self.redis.clone(), self.config.rate_limits.timeout);
        let limiter = Arc::new(FallbackLimiter::new(Arc::new(limiter)));
        RateLimiter::start(self.config.rate_limits.clone(), limiter, &self.tiers, self.pool.clone(), &self.tasks)
    }

    async fn start_auth(&self, live: &Arc<live::Live>, concurrency: ConcurrencyLimits) -> anyhow::Result<Arc<Auth>> {
        let token_ttl = self.config.auth.access_token_ttl;
        let tokens = Tokens::start(self.pool.clone(), self.clock.clone(), token_ttl, &self.tasks)
            .await
            .context("read the signing keys")?;
        let connections = live.connections.clone();
        let end_connections = Arc::new(move |revoked: &[_]| connections.revoke(revoked));
        let revocations = RevokedCredentials::start(self.pool.clone(), end_connections, token_ttl, &self.tasks).await?;
        let sessions = RedisSessionStore::new(self.redis.clone(), self.clock.clone(), self.config.auth.session_ttl);
        Ok(Arc::new(Auth {
            pool: self.pool.clone(),
            config: self.config.clone(),
            clock: self.clock.clone(),
            tokens,
            sessions: Arc::new(sessions),
            revocations,
            rate_limiter: self.start_rate_limiter(),
            concurrency,
        }))
    }

    async fn start_accounts(&self, auth: Arc<Auth>) -> anyhow::Result<Arc<Accounts>> {
        let passwords = Passwords::new(&self.config.auth)?;
        accounts::first_admin::ensure_configured_admin(&self.pool, &passwords, &self.config).await?;
        Ok(Arc::new(Accounts {
            pool: self.pool.clone(),
            config: self.config.clone(),
            clock: self.clock.clone(),
            auth,
            passwords,
        }))
    }

    fn personas(&self) -> Arc<Personas> {
        Arc::new(Personas {
            pool: self.pool.clone(),
            pictures: Pictures::default(),
            configuration: self.configuration.clone(),
        })
    }

    fn interview(&self) -> Arc<Interview> {
        Arc::new(Interview { pool: self.pool.clone(), clock: self.clock.clone() })
    }

    fn knowledge(&self) -> anyhow::Result<Arc<Knowledge>> {
        let embedder = embedders::from_config(&self.configuration, self.clock.clone(), &self.tasks)?;
        let store =
            vector_stores::from_config(&self.configuration, embedder.as_ref(), self.pool.clone(), self.clock.clone())?;
        let retriever = Retriever {
            pool: self.pool.clone(),
            embedder,
            store,
            settings: self.config.retrieval.clone(),
            clock: self.clock.clone(),
        };
        Ok(Arc::new(Knowledge {
            pool: self.pool.clone(),
            config: self.config.clone(),
            retriever,
            outgoing: Outgoing::new(&self.config.outgoing, Arc::new(SystemResolver))?,
        }))
    }

    fn start_chat(&self, live: Arc<live::Live>) -> Arc<Chat> {
        let accepts = AcceptBatch { pool: self.pool.clone(), limits: Limits::from(&self.config.queue) };
        let tiers = self.tiers.iter().map(|tier| tier.name.clone()).collect();
        metrics::show_from_the_start();
        Arc::new(Chat {
            pool: self.pool.clone(),
            reads: self.reads.clone(),
            clock: self.clock.clone(),
            config: self.config.clone(),
            bus: self.bus.clone(),
            jobs: self.jobs.clone(),
            live,
            accepts: Batcher::start(accepts, ACCEPT_LANES, ACCEPT_BATCH, &self.tasks),
            dispatcher: Dispatcher::start(self.jobs.clone(), self.bus.clone(), &self.tasks),
            gauge: QueueGauge::start(tiers, self.pool.clone(), self.jobs.clone(), self.clock.clone(), &self.tasks),
        })
    }

    fn start_admin(&self, accounts: Arc<Accounts>, chat: Arc<Chat>) -> Arc<Admin> {
        self.tasks.spawn_until_shutdown(admin::audit::watch::watch(self.pool.clone()));
        Arc::new(Admin {
            pool: self.pool.clone(),
            reads: self.reads.clone(),
            config: self.config.clone(),
            configuration: self.configuration.clone(),
            accounts,
            chat,
            board: Arc::new(RedisProviderBoard::new(self.redis.clone())),
            reply_cache: Arc::new(RedisCache::replies(self.redis.clone())),
            queue_snapshot: QueueSnapshotCache::default(),
            findings: FindingsCache::default(),
        })
    }

    fn sockets(&self, auth: Arc<Auth>, live: Arc<live::Live>, chat: Arc<Chat>, admin: Arc<Admin>) -> Arc<Sockets> {
        let (pool, config, clock) = (self.pool.clone(), self.config.clone(), self.clock.clone());
        Arc::new(Sockets { pool, config, clock, auth, live, chat, admin })
    }

    fn health(&self) -> Arc<Probes> {
        Arc::new(Probes {
            readiness: ReadinessProbe::new(self.configuration.clone(), APPLICATION),
            jobs: self.jobs.clone(),
            speaker: Speaker::of(&self.configuration.now()),
            leaving: AtomicBool::default(),
        })
    }
}
