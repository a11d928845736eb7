//! The workers: they take requests from the queue and write the replies.
//!
//! [`run`] is the whole process: a consumer per tier ([`queue`]), the renewal of leases, and the sweeper that finds what
//! fell between. What a job does is in [`jobs`]; what a reply is made of in [`reply`]; who speaks in [`providers`].

mod account_data;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod housekeeping;
mod knowledge;
mod money;
mod presence;
mod providers;
mod queue;
mod replies;
mod schedules;
mod vectors;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use troupe_core::{
    adapters::{
        embedders,
        redis::{RedisCache, RedisEventBus, RedisHandle, RedisJobQueue, RedisProviderBoard},
    },
    clock::{Clock, SystemClock},
    config::{Config, Live},
    lifecycle::Tasks,
    ports::{EventBus, JobQueue},
};
use troupe_db::{accounts::tiers, retrieval::Retriever, vector_stores};

use crate::{
    account_data::AccountData,
    housekeeping::Housekeeping,
    knowledge::index_work::Indexer,
    money::Money,
    presence::Presence,
    providers::{Chain, HealthBoard, HealthChecks, Roster},
    queue::{Consumers, Slots},
    replies::{
        batches::{Claims, Finishes, ReplyBatches},
        cache::ReplyCache,
        generator::ReplyGenerator,
        leases::Leases,
    },
};

pub use knowledge::child::extract_if_asked;
pub use vectors::reindex;

/// As PostgreSQL knows it.
const APPLICATION: &str = "troupe-worker";

/// Works until the shutdown token is cancelled and what runs then has ended or been handed back.
pub async fn run(live: Live, shutdown: CancellationToken) -> anyhow::Result<()> {
    let config = Config::clone(&live.now());
    let pool = troupe_db::connect(&config.database, APPLICATION).await?;
    let redis = RedisHandle::connect(&live).await?;
    let bus: Arc<dyn EventBus> = Arc::new(RedisEventBus::new(redis.clone(), &config.events));
    let jobs: Arc<dyn JobQueue> = Arc::new(RedisJobQueue::new(redis.clone()));
    let roster = Arc::new(Roster::from_config(&config)?);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let name = queue::worker_name();
    tracing::info!(worker = name, chain = roster.default_chain(), concurrency = config.worker.concurrency, "starting");

    let tasks = Tasks::new(shutdown.clone());
    let background = Tasks::default();
    let address = troupe_db::follow_address(pool.clone(), config.database.clone(), live.subscribe(), APPLICATION);
    let stop = background.shutdown().clone();
    background.spawn(async move { stop.run_until_cancelled(address).await });
    let leases = Leases::new(config.worker.lease);
    background.spawn(replies::leases::renew_until(leases.clone(), pool.clone(), background.shutdown().clone()));
    background.spawn(replies::sweeper::run(pool.clone(), jobs.clone(), config.clone(), background.shutdown().clone()));
    let (slots, lease) = (config.worker.concurrency, config.worker.lease);
    let presence = Presence { pool: pool.clone(), name: name.clone(), slots, lease };
    background.spawn(presence.report_while_alive(background.shutdown().clone()));

    let (health_board, board_updates) = HealthBoard::new(Arc::new(RedisProviderBoard::new(redis.clone())));
    let stop = background.shutdown().clone();
    background.spawn(providers::sync_health_board(
        health_board.clone(),
        board_updates,
        roster.clone(),
        clock.clone(),
        stop,
    ));
    let money = Money::start(pool.clone(), &config, &background).await?;
    tokio::task::spawn_blocking(providers::tokens::warm_up);
    let chain = Arc::new(Chain::new(&config.models, roster, health_board.clone(), money.clone(), clock.clone()));

    let (keys, stop) = (chain.clone().follow_keys(live.subscribe()), background.shutdown().clone());
    background.spawn(async move { stop.run_until_cancelled(keys).await });
    let stop = background.shutdown().clone();
    background.spawn(schedules::follow(
        HealthChecks::new(chain.clone(), &config.models),
        pool.clone(),
        name.clone(),
        stop,
    ));

    let indexer = Indexer { pool: pool.clone(), settings: config.knowledge.clone() };
    knowledge::index_work::start(indexer, redis.clone(), &background);
    let embedder = embedders::from_config(&live)?;
    let store = vector_stores::from_config(&live, embedder.as_ref(), pool.clone())?;
    let retriever = Retriever {
        pool: pool.clone(),
        embedder: embedder.clone(),
        store: store.clone(),
        settings: config.retrieval.clone(),
        clock: clock.clone(),
    };
    vectors::start(&config.embeddings, pool.clone(), embedder, store, &name, &background).await?;

    let housekeeping = Housekeeping { pace: config.housekeeping.clone(), retention: config.retention.clone() };
    let stop = background.shutdown().clone();
    background.spawn(schedules::follow(housekeeping, pool.clone(), name.clone(), stop));

    let account_data = AccountData {
        pool: pool.clone(),
        lease: config.worker.lease,
        pace: config.housekeeping.clone(),
        kept: config.retention.exports,
    };
    background.spawn(account_data::work(account_data, background.shutdown().clone()));

    let claims = Claims {
        pool: pool.clone(),
        worker: name.clone(),
        lease: config.worker.lease,
        history: config.worker.history_messages,
    };
    let finishes = Finishes { pool: pool.clone(), redispatch_after: config.queue.redispatch_after };
    let batches = ReplyBatches::start(claims, finishes, &background);

    let hand_back = CancellationToken::new();
    let generator = Arc::new(ReplyGenerator {
        pool: pool.clone(),
        batches,
        bus,
        jobs,
        chain,
        clock,
        leases,
        settings: config.worker.clone(),
        money,
        cache: ReplyCache::new(Arc::new(RedisCache::replies(redis.clone())), &config.cache),
        retriever,
        health_board,
        redispatch_after: config.queue.redispatch_after,
        hand_back: hand_back.clone(),
    });
    let tiers = tiers::list(&pool).await?;
    let slots = Slots::new(config.worker.concurrency, &[]);
    let consumers =
        Consumers { name, redis: redis.clone(), live, slots: slots.clone(), generator, tasks: tasks.clone() };
    let queues = consumers.start(&tiers).await?;
    tracing::info!("worker ready");

    shutdown.cancelled().await;
    queues.close().await;
    if tokio::time::timeout(config.worker.drain, slots.idle()).await.is_err() {
        tracing::info!("handing back the replies that still run");
        hand_back.cancel();
        _ = tokio::time::timeout(config.worker.drain, slots.idle()).await;
    }
    tasks.finish(config.worker.drain).await;
    background.finish(config.worker.drain).await;
    redis.close().await;
    pool.close().await;
    tracing::info!("stopped");
    Ok(())
}
