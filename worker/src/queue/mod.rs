//! Where jobs come from: one apalis worker per tier over the queue in Redis, all sharing this process's slots by weight.

mod announcements;
mod begun;
mod shares;
mod slots;
mod tasks;
mod weights;

use std::{sync::Arc, task::Poll, time::Duration};

use apalis_core::{backend::ext::BackendExt, worker::builder::WorkerBuilder};
use futures::{FutureExt, future::join_all, stream};
use troupe_shared::{
    adapters::redis::{RedisHandle, queue_name, wake_channel},
    config::Config,
    ids::SessionId,
    jobs::GenerateReply,
    lifecycle::Tasks,
    model::admin::Tier,
};

pub(crate) use slots::Slots;

use crate::jobs::generate_reply::Replies;
use tasks::{RedisTasks, ReplyTasks};

/// Unlike every other process's, and unlike this machine's last: a name seen lately cannot register again.
pub(crate) fn worker_name() -> String {
    SessionId::new().to_string()
}

/// Slots for these tiers, in their order.
pub(crate) fn slots(all: usize, tiers: &[Tier]) -> Arc<Slots> {
    let weights: Vec<_> = tiers.iter().map(weights::weight).collect();
    Slots::new(all, &weights)
}

pub(crate) struct Consumers<'a> {
    pub(crate) name: String,
    pub(crate) redis: &'a RedisHandle,
    pub(crate) config: &'a Config,
    pub(crate) slots: Arc<Slots>,
    pub(crate) replies: Arc<Replies>,
}

/// The queues from which this process takes jobs.
pub(crate) struct Queues {
    sources: Vec<RedisTasks>,
    slots: Arc<Slots>,
}

impl Consumers<'_> {
    /// Starts a consumer for each tier. They fetch until the shutdown; a consumer that ends before it is started again.
    pub(crate) async fn start(&self, tiers: &[Tier], tasks: &Tasks) -> anyhow::Result<Queues> {
        let mut sources = Vec::with_capacity(tiers.len());
        for (number, tier) in tiers.iter().enumerate() {
            let source = tasks::Source {
                worker: format!("{}:{}", self.name, tier.name),
                queue: queue_name(self.redis.prefix(), &tier.name),
                tier: tier.name.clone(),
                number,
                wake_channel: wake_channel(self.redis.prefix()),
            };
            let source = RedisTasks::connect(&self.config.redis, source, self.slots.clone()).await?;
            sources.push(source.clone());
            tasks.spawn(keep_consuming(source, self.replies.clone(), tasks.clone()));
        }
        let names = tiers.iter().map(|tier| tier.name.clone()).collect();
        tasks.spawn(announcements::hear(self.redis.clone(), names, self.slots.clone(), tasks.shutdown().clone()));
        let (pool, known) = (self.replies.pool.clone(), tiers.to_vec());
        tasks.spawn(weights::follow(pool, known, self.slots.clone(), tasks.shutdown().clone()));
        Ok(Queues { sources, slots: self.slots.clone() })
    }
}

impl Queues {
    /// Begins nothing more, and puts back what was fetched and has not begun, so that other workers have it at once.
    pub(crate) async fn close(&self) {
        self.slots.close();
        join_all(self.sources.iter().map(RedisTasks::hand_back_unbegun)).await;
    }
}

async fn keep_consuming(source: RedisTasks, replies: Arc<Replies>, running: Tasks) {
    let shutdown = running.shutdown();
    while !shutdown.is_cancelled() {
        let ended = consume(source.clone(), replies.clone(), &running).await;
        source.forget_fetched();
        if let Err(error) = ended {
            tracing::warn!(error, worker = source.worker(), "the consumer ended; starting it again");
            _ = shutdown.run_until_cancelled(tokio::time::sleep(Duration::from_secs(1))).await;
        }
    }
}

async fn consume(source: RedisTasks, replies: Arc<Replies>, running: &Tasks) -> Result<(), String> {
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
        let (replies, slot) = (replies.clone(), slots.occupy(tier));
        // A task of its own, so that replies use every core; apalis acknowledges the job when it has ended.
        let written = running.spawn(async move {
            replies.generate(job).await;
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
