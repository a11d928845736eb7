//! The workers: they consume jobs and write the replies.
//!
//! [`run`] is the whole process: a consumer per tier ([`queue`]), the handler of their jobs ([`replies`]) with the
//! model services it calls ([`providers`]), and leased work ([`work`]), whose kinds [`registry`] names.

mod account_data;
pub mod doctor;
mod emails;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod housekeeping;
mod knowledge;
mod message_index;
pub mod metrics;
mod money;
mod presence;
mod providers;
mod push;
mod queue;
mod replies;
mod speech;
mod statistics;
mod translation;
mod vectors;
mod wellbeing;
mod work;

use std::sync::Arc;

use sqlx::PgPool;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use troupe_core::{
    adapters::{
        embedders,
        outgoing::{Outgoing, SystemResolver},
        redis::{RedisCache, RedisEventBus, RedisHandle, RedisJobQueue, RedisProviderBoard},
    },
    clock::{Clock, SystemClock},
    config::{self, Config, Live},
    lifecycle::Tasks,
    model::admin::{ProcessKind, WorkerState},
    ports::JobQueue,
};
use troupe_db::{
    accounts::tiers,
    operations::{processes, workers::Orders},
    readiness::ReadinessProbe,
    retrieval::Retriever,
    vector_stores,
};
use troupe_telemetry::Wellbeing;

use crate::{
    account_data::{Deletion, Export},
    emails::{EmailVerification, LinkEmail, PasswordReset},
    housekeeping::{Archive, Housekeeping},
    knowledge::index_work::Indexer,
    message_index::MessageIndex,
    money::Money,
    presence::Presence,
    providers::{Chain, ChainTranslator, HealthBoard, HealthChecks, Roster, SpeechFailover},
    push::BrowserNotification,
    queue::{Consumers, Queues, Slots},
    replies::{
        batches::{Claims, Finishes, ReplyBatches},
        cache::ReplyCache,
        generator::ReplyGenerator,
        inspection::PromptInspection,
        leases::Leases,
        lore::{Limits, Lorebooks},
        prompts::Prompts,
    },
    speech::Speech,
    statistics::{DailyUse, QueueHistory},
    translation::{
        Translators, catalogues::CatalogueTranslation, interface::InterfaceTranslation, messages::MessageTranslation,
    },
    wellbeing::Dependencies,
    work::{Registry, Runner, WakeUps},
};

pub use knowledge::child::extract_if_child;
pub use vectors::reindex;

/// The name in PostgreSQL.
const APPLICATION: &str = "troupe-worker";

/// Works until the shutdown token is cancelled and the running replies have ended or been handed back.
pub async fn run(live: Live, wellbeing: &Wellbeing, shutdown: CancellationToken) -> anyhow::Result<()> {
    // Draining this worker stops no other part of the process.
    let shutdown = shutdown.child_token();
    let worker = Worker::connect(live, shutdown.clone()).await?;
    let roster = Arc::new(Roster::from_config(&worker.config)?);
    worker.log_start(&roster);
    let leases = worker.start_leases();
    worker.start_sweeper();
    let health_board = worker.start_health_board(&roster);
    let money = Money::start(worker.pool.clone(), &worker.config, &worker.background).await?;
    tokio::task::spawn_blocking(providers::tokens::warm_up);
    let chain = worker.start_chain(roster, &health_board, &money);
    let translators = worker.translators(&chain, &money)?;
    let registry = registry(&worker, &chain)?
        .with(worker.speech(&money)?)
        .with(InterfaceTranslation(translators.clone()))
        .with(CatalogueTranslation(translators.clone()))
        .with(MessageTranslation(translators));
    let (registry, retriever) = worker.start_vectors(registry).await?;
    let prompts = worker.prompts(retriever);
    let registry = registry.with(PromptInspection { prompts: prompts.clone(), clock: worker.clock.clone() });
    let orders = worker.start_leased_work(registry);
    let hand_back = CancellationToken::new();
    let generator = ReplyGenerator {
        pool: worker.pool.clone(),
        batches: worker.start_batches(),
        bus: Arc::new(RedisEventBus::new(worker.redis.clone(), &worker.config.events)),
        jobs: worker.jobs.clone(),
        chain,
        clock: worker.clock.clone(),
        leases,
        settings: worker.config.worker.clone(),
        money,
        cache: ReplyCache::new(Arc::new(RedisCache::replies(worker.redis.clone())), &worker.config.cache),
        prompts,
        health_board,
        redispatch_after: worker.config.queue.redispatch_after,
        hand_back: hand_back.clone(),
    };
    let slots = Slots::new(worker.config.worker.concurrency, &[]);
    worker.background.spawn(presence::follow(orders, slots.clone(), shutdown.clone()));
    let queues = worker.start_consumers(generator, &slots).await?;
    wellbeing.add(Arc::new(worker.dependencies()));
    tracing::info!("worker ready");

    shutdown.cancelled().await;
    queues.close().await;
    worker.drain(&slots, &hand_back).await;
    worker.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// The common dependencies of all parts of the process.
#[derive(Clone)]
struct Worker {
    live: Live,
    config: Config,
    name: String,
    pool: PgPool,
    redis: RedisHandle,
    jobs: Arc<dyn JobQueue>,
    clock: Arc<dyn Clock>,
    /// The consumers and the running replies: they begin to end at the shutdown.
    tasks: Tasks,
    /// Dependencies of replies, which end after the last of them.
    background: Tasks,
}

impl Worker {
    async fn connect(live: Live, shutdown: CancellationToken) -> anyhow::Result<Self> {
        let config = Config::clone(&live.now());
        let (pool, follower) = troupe_db::connect_and_follow(&config.database, APPLICATION).await?;
        let redis = RedisHandle::connect(&live).await?;
        let background = Tasks::default();
        background.spawn_until_shutdown(follower.run(live.subscribe()));
        Ok(Self {
            live,
            config,
            name: queue::worker_name(),
            pool,
            jobs: Arc::new(RedisJobQueue::new(redis.clone())),
            redis,
            clock: Arc::new(SystemClock),
            tasks: Tasks::new(shutdown),
            background,
        })
    }

    fn log_start(&self, roster: &Roster) {
        let concurrency = self.config.worker.concurrency;
        tracing::info!(worker = self.name, chain = roster.default_chain(), concurrency, "starting");
    }

    fn dependencies(&self) -> Dependencies {
        Dependencies { postgres: ReadinessProbe::new(self.live.clone(), APPLICATION), jobs: self.jobs.clone() }
    }

    fn start_leases(&self) -> Leases {
        let leases = Leases::new(self.config.worker.lease);
        let shutdown = self.background.shutdown().clone();
        self.background.spawn(replies::leases::renew_until(leases.clone(), self.pool.clone(), shutdown));
        leases
    }

    fn start_sweeper(&self) {
        let shutdown = self.background.shutdown().clone();
        let sweeper = replies::sweeper::run(self.pool.clone(), self.jobs.clone(), self.config.clone(), shutdown);
        self.background.spawn(sweeper);
    }

    fn start_health_board(&self, roster: &Arc<Roster>) -> Arc<HealthBoard> {
        let (health_board, updates) = HealthBoard::new(Arc::new(RedisProviderBoard::new(self.redis.clone())));
        let shutdown = self.background.shutdown().clone();
        let clock = self.clock.clone();
        let sync = providers::sync_health_board(health_board.clone(), updates, roster.clone(), clock, shutdown);
        self.background.spawn(sync);
        health_board
    }

    fn start_chain(&self, roster: Arc<Roster>, health_board: &Arc<HealthBoard>, money: &Arc<Money>) -> Arc<Chain> {
        let models = &self.config.models;
        let chain = Chain::new(models, roster, health_board.clone(), money.clone(), self.clock.clone());
        let chain = Arc::new(chain);
        self.background.spawn_until_shutdown(chain.clone().follow_keys(self.live.subscribe()));
        chain
    }

    fn start_batches(&self) -> ReplyBatches {
        let claims = Claims {
            pool: self.pool.clone(),
            worker: self.name.clone(),
            lease: self.config.worker.lease,
            history: self.config.worker.history_messages,
        };
        let finishes = Finishes { pool: self.pool.clone(), redispatch_after: self.config.queue.redispatch_after };
        ReplyBatches::start(claims, finishes, &self.background)
    }

    /// The vector store and its kinds of jobs, and the search in it.
    async fn start_vectors(&self, registry: Registry) -> anyhow::Result<(Registry, Retriever)> {
        let embedder = embedders::from_config(&self.live, self.clock.clone(), &self.background)?;
        let store = vector_stores::from_config(&self.live, embedder.as_ref(), self.pool.clone(), self.clock.clone())?;
        let retriever = Retriever {
            pool: self.pool.clone(),
            embedder: embedder.clone(),
            store: store.clone(),
            settings: self.config.retrieval.clone(),
            clock: self.clock.clone(),
        };
        let settings = &self.config.embeddings;
        let registry = vectors::start(settings, self.pool.clone(), embedder, store, registry, &self.background).await?;
        Ok((registry, retriever))
    }

    fn speech(&self, money: &Arc<Money>) -> anyhow::Result<Speech> {
        let failover = SpeechFailover::new(self.live.clone(), money.clone(), self.clock.clone())?;
        Ok(Speech { failover: Arc::new(failover) })
    }

    fn translators(&self, chain: &Arc<Chain>, money: &Arc<Money>) -> anyhow::Result<Translators> {
        let chain = ChainTranslator { chain: chain.clone(), money: money.clone(), live: self.live.clone() };
        Ok(Translators::new(self.live.clone(), chain)?)
    }

    fn prompts(&self, retriever: Retriever) -> Arc<Prompts> {
        let config::Worker { history_messages, prompt_tokens, .. } = self.config.worker;
        let limits = Limits { history_messages, prompt_tokens };
        Arc::new(Prompts { pool: self.pool.clone(), retriever, lorebooks: Lorebooks::default(), limits })
    }

    /// Starts the heartbeat and the leased work; returns the wanted state of this worker.
    fn start_leased_work(&self, registry: Registry) -> watch::Receiver<Orders> {
        let settings = &self.config.worker;
        let wake_ups = WakeUps::default();
        let shutdown = self.background.shutdown().clone();
        self.background.spawn(wake_ups.clone().listen(self.pool.clone(), shutdown.clone()));
        let as_started = Orders { state: WorkerState::Active, slots: settings.concurrency as i32 };
        let (sender, orders) = watch::channel(as_started);
        let presence = Presence {
            pool: self.pool.clone(),
            name: self.name.clone(),
            slots: settings.concurrency,
            kinds: registry.names(),
            lease: settings.lease,
            wake: wake_ups.workers.clone(),
            orders: sender,
        };
        self.background.spawn(presence.report_while_alive(shutdown.clone()));
        let report = processes::report_while_alive(self.pool.clone(), ProcessKind::Worker, || None, shutdown);
        self.background.spawn(report);
        let runner = Runner {
            pool: self.pool.clone(),
            worker: self.name.clone(),
            registry,
            slots: settings.jobs,
            lease: settings.lease,
            wake_ups,
            orders: orders.clone(),
        };
        runner.start(&self.tasks);
        orders
    }

    async fn start_consumers(&self, generator: ReplyGenerator, slots: &Arc<Slots>) -> anyhow::Result<Arc<Queues>> {
        let tiers = tiers::list(&self.pool).await?;
        let consumers = Consumers {
            name: self.name.clone(),
            redis: self.redis.clone(),
            slots: slots.clone(),
            generator: Arc::new(generator),
            tasks: self.tasks.clone(),
        };
        consumers.start(&tiers).await
    }

    /// Gives the running replies time to end; those that do not are handed back to other workers.
    async fn drain(&self, slots: &Slots, hand_back: &CancellationToken) {
        let drain = self.config.worker.drain;
        if tokio::time::timeout(drain, slots.idle()).await.is_err() {
            tracing::info!("handing back the replies that still run");
            hand_back.cancel();
            _ = tokio::time::timeout(drain, slots.idle()).await;
        }
        self.tasks.finish(drain).await;
        self.background.finish(drain).await;
    }

    async fn close(self) {
        self.redis.close().await;
        self.pool.close().await;
    }
}

/// The kinds of leased work, one per line. Those of vectors come with their store; e-mails need a configured mailer.
fn registry(worker: &Worker, chain: &Arc<Chain>) -> anyhow::Result<Registry> {
    let config = &worker.config;
    let mailer = emails::mailer(&worker.live, worker.clock.clone())?;
    let outgoing = Outgoing::new(&config.outgoing, Arc::new(SystemResolver))?;
    let browsers = BrowserNotification::new(config, worker.clock.clone(), outgoing);
    let place = config.retention.archive.clone();
    let archive = place.map(|place| Archive::new(place, &config.s3)).transpose()?;
    Ok(Registry::default()
        .with_some(mailer.clone().map(|mailer| LinkEmail::<PasswordReset>::new(mailer, config.clone())))
        .with_some(mailer.map(|mailer| LinkEmail::<EmailVerification>::new(mailer, config.clone())))
        .with(Export { kept: config.retention.exports })
        .with(Deletion { pace: config.housekeeping.clone(), kept: config.retention.exports })
        .with_some(browsers)
        .with(Indexer { settings: config.knowledge.clone() })
        .scheduled(HealthChecks::new(chain.clone(), &config.models))
        .scheduled(MessageIndex { clock: worker.clock.clone() })
        .scheduled(QueueHistory { jobs: worker.jobs.clone(), clock: worker.clock.clone() })
        .scheduled(DailyUse)
        .scheduled(Housekeeping {
            pace: config.housekeeping.clone(),
            retention: config.retention.clone(),
            speech: config.speech.clone(),
            archive,
        }))
}
