//! The queue: one consumer (an apalis worker) per tier over Redis, all sharing this process's slots by weight.

mod apalis_backend;
mod shares;
mod slots;
mod started_jobs;
mod tiers;
mod wake_ups;

use std::{sync::Arc, task::Poll, time::Duration};

use apalis_core::{backend::ext::BackendExt, worker::builder::WorkerBuilder};
use futures::{FutureExt, future::join_all, stream};
use parking_lot::Mutex;
use troupe_core::{
    adapters::redis::{RedisHandle, queue_name, wake_channel},
    ids::SessionId,
    jobs::GenerateReply,
    lifecycle::Tasks,
    model::admin::Tier,
    ports::PortError,
};

use crate::{
    metrics::{AttemptLabels, REPLIES},
    replies::generator::ReplyGenerator,
};
use apalis_backend::{RedisTasks, ReplyTasks};

pub(crate) use slots::Slots;

/// Unique to this process: a name that was seen lately cannot register again.
pub(crate) fn worker_name() -> String {
    SessionId::new().to_string()
}

/// The dependencies of consumers.
pub(crate) struct Consumers {
    pub(crate) name: String,
    pub(crate) redis: RedisHandle,
    pub(crate) slots: Arc<Slots>,
    pub(crate) generator: Arc<ReplyGenerator>,
    pub(crate) tasks: Tasks,
}

/// The queues of all tiers, by the index of the tier in the slots.
pub(crate) struct Queues {
    consumers: Consumers,
    queues: Mutex<Vec<RedisTasks>>,
}

impl Consumers {
    /// Starts a consumer for each tier, and for each that is added later. They fetch until the shutdown; a consumer
    /// that ends before is restarted.
    pub(crate) async fn start(self, tiers: &[Tier]) -> anyhow::Result<Arc<Queues>> {
        let pool = self.generator.pool.clone();
        let redis = self.redis.clone();
        let slots = self.slots.clone();
        let tasks = self.tasks.clone();
        let queues = Arc::new(Queues { consumers: self, queues: Mutex::default() });
        for tier in tiers {
            queues.add_tier(tier).await?;
        }
        tasks.spawn_until_shutdown(wake_ups::listen(redis, queues.clone(), slots));
        tasks.spawn(tiers::follow(pool, tiers.to_vec(), queues.clone(), tasks.shutdown().clone()));
        Ok(queues)
    }
}

impl Queues {
    /// Starts the consumer of one more tier. Only one task does this at a time.
    async fn add_tier(&self, tier: &Tier) -> Result<(), PortError> {
        let Consumers { name, redis, slots, generator, tasks } = &self.consumers;
        let queue = apalis_backend::TierQueue {
            worker: format!("{name}:{}", tier.name),
            name: queue_name(redis.prefix(), &tier.name),
            tier: tier.name.clone(),
            tier_index: self.queues.lock().len(),
            wake_channel: wake_channel(redis.prefix()),
        };
        let source = RedisTasks::connect(redis, queue, slots.clone()).await?;
        slots.add(tiers::weight(tier));
        // Shown from the start, so that the first of them is an increase.
        for outcome in ["completed", "retried", "declined", "failed", "handed_back", "overtaken"] {
            drop(REPLIES.attempts.get_or_create(&AttemptLabels { tier: tier.name.clone(), outcome }));
        }
        self.queues.lock().push(source.clone());
        tasks.spawn(keep_consuming(source, generator.clone(), tasks.clone()));
        Ok(())
    }

    /// The tier's index.
    fn tier_index(&self, tier: &str) -> Option<usize> {
        self.queues.lock().iter().position(|source| source.tier() == tier)
    }

    fn count(&self) -> usize {
        self.queues.lock().len()
    }

    /// Starts no more jobs, and hands back those that were fetched and have not started, for other workers at once.
    pub(crate) async fn close(&self) {
        self.consumers.slots.close();
        let queues = self.queues.lock().clone();
        join_all(queues.iter().map(RedisTasks::hand_back_unstarted)).await;
    }
}

async fn keep_consuming(source: RedisTasks, generator: Arc<ReplyGenerator>, running: Tasks) {
    let shutdown = running.shutdown();
    while !shutdown.is_cancelled() {
        let ended = consume(source.clone(), generator.clone(), &running).await;
        source.forget_fetched();
        if let Err(error) = ended {
            tracing::warn!(error, worker = source.worker(), "the consumer ended; starting it again");
            _ = shutdown.run_until_cancelled(tokio::time::sleep(Duration::from_secs(1))).await;
        }
    }
}

async fn consume(source: RedisTasks, generator: Arc<ReplyGenerator>, running: &Tasks) -> Result<(), String> {
    let slots = source.slots().clone();
    let tier = source.tier_index();
    slots.wake_up(tier);
    // A stream without items: apalis polls it each time before it fetches, which registers the waker.
    let wake_ups = {
        let slots = slots.clone();
        stream::poll_fn(move |cx| {
            slots.register_waker(tier, cx);
            Poll::Pending::<Option<()>>
        })
    };
    let name = source.worker().to_owned();
    let shutdown = running.shutdown().clone();
    let running = running.clone();
    let handle = move |job: GenerateReply| {
        let generator = generator.clone();
        let slot = slots.occupy(tier);
        // A task of its own, so that replies use every core; apalis acknowledges the job when it has ended.
        let reply = running.spawn(async move {
            generator.generate(job).await;
            drop(slot);
        });
        reply.map(drop)
    };
    let worker = WorkerBuilder::new(name).backend(ReplyTasks::new(source).poll_with_stream(wake_ups)).build(handle);
    worker
        .run_until(async move {
            shutdown.cancelled().await;
            Ok::<(), std::io::Error>(())
        })
        .await
        .map_err(|e| e.to_string())
}
