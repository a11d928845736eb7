//! Where jobs come from: one apalis worker per tier over the queue in Redis, all sharing this process's slots by weight.

mod apalis_backend;
mod connection;
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
    config::Live,
    ids::SessionId,
    jobs::GenerateReply,
    lifecycle::Tasks,
    model::admin::Tier,
};

use crate::replies::generator::ReplyGenerator;
use apalis_backend::{RedisTasks, ReplyTasks};

pub(crate) use slots::Slots;

/// Unlike every other process's, and unlike this machine's last: a name seen lately cannot register again.
pub(crate) fn worker_name() -> String {
    SessionId::new().to_string()
}

/// What it takes to consume a queue.
pub(crate) struct Consumers {
    pub(crate) name: String,
    pub(crate) redis: RedisHandle,
    pub(crate) live: Live,
    pub(crate) slots: Arc<Slots>,
    pub(crate) generator: Arc<ReplyGenerator>,
    pub(crate) tasks: Tasks,
}

/// The queues from which this process takes jobs, in the order in which the slots count them.
pub(crate) struct Queues {
    consumers: Consumers,
    sources: Mutex<Vec<RedisTasks>>,
}

impl Consumers {
    /// Starts a consumer for each tier there is, and for each that comes later. They fetch until the shutdown; a consumer that ends
    /// before it is started again.
    pub(crate) async fn start(self, tiers: &[Tier]) -> anyhow::Result<Arc<Queues>> {
        let (pool, redis, slots) = (self.generator.pool.clone(), self.redis.clone(), self.slots.clone());
        let tasks = self.tasks.clone();
        let queues = Arc::new(Queues { consumers: self, sources: Mutex::default() });
        for tier in tiers {
            queues.open(tier).await?;
        }
        tasks.spawn(wake_ups::hear(redis, queues.clone(), slots, tasks.shutdown().clone()));
        tasks.spawn(tiers::follow(pool, tiers.to_vec(), queues.clone(), tasks.shutdown().clone()));
        Ok(queues)
    }
}

impl Queues {
    /// Takes jobs from the queue of one more tier. Only one task does this at a time.
    async fn open(&self, tier: &Tier) -> Result<(), redis::RedisError> {
        let Consumers { name, redis, live, slots, generator, tasks } = &self.consumers;
        let source = apalis_backend::Source {
            worker: format!("{name}:{}", tier.name),
            queue: queue_name(redis.prefix(), &tier.name),
            tier: tier.name.clone(),
            number: self.sources.lock().len(),
            wake_channel: wake_channel(redis.prefix()),
        };
        let source = RedisTasks::connect(live, source, slots.clone()).await?;
        slots.add(tiers::weight(tier));
        self.sources.lock().push(source.clone());
        tasks.spawn(keep_consuming(source, generator.clone(), tasks.clone()));
        Ok(())
    }

    /// The tier's place among the queues.
    fn number(&self, tier: &str) -> Option<usize> {
        self.sources.lock().iter().position(|source| source.tier() == tier)
    }

    fn count(&self) -> usize {
        self.sources.lock().len()
    }

    /// Begins nothing more, and puts back what was fetched and has not begun, so that other workers have it at once.
    pub(crate) async fn close(&self) {
        self.consumers.slots.close();
        let sources = self.sources.lock().clone();
        join_all(sources.iter().map(RedisTasks::hand_back_unbegun)).await;
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
    let (slots, tier) = (source.slots().clone(), source.number());
    slots.announce(tier);
    // It never has anything to say: apalis polls it each time before it fetches, and that is when to ask for being woken.
    let wake_ups = {
        let slots = slots.clone();
        stream::poll_fn(move |cx| {
            slots.wake_me(tier, cx);
            Poll::Pending::<Option<()>>
        })
    };
    let name = source.worker().to_owned();
    let (running, stop) = (running.clone(), running.shutdown().clone());
    let handle = move |job: GenerateReply| {
        let (generator, slot) = (generator.clone(), slots.occupy(tier));
        // A task of its own, so that replies use every core; apalis acknowledges the job when it has ended.
        let written = running.spawn(async move {
            generator.generate(job).await;
            drop(slot);
        });
        written.map(drop)
    };
    let worker = WorkerBuilder::new(name).backend(ReplyTasks::new(source).poll_with_stream(wake_ups)).build(handle);
    worker
        .run_until(async move {
            stop.cancelled().await;
            Ok::<(), std::io::Error>(())
        })
        .await
        .map_err(|e| e.to_string())
}
