//! Where jobs come from: one apalis worker per tier over the queue in Redis, all sharing this process's slots.

mod slots;
mod tasks;

use std::{sync::Arc, time::Duration};

use apalis_core::{backend::ext::BackendExt, worker::builder::WorkerBuilder};
use futures::{FutureExt, StreamExt};
use troupe_shared::{
    adapters::redis::{RedisHandle, queue_name, wake_channel},
    config::Config,
    ids::SessionId,
    jobs::GenerateReply,
    lifecycle::Tasks,
};

pub(crate) use slots::Slots;

use crate::jobs::generate_reply::Replies;
use tasks::{RedisTasks, ReplyTasks};

/// A lost wake-up costs at most this.
const SLOW_TICK: Duration = Duration::from_millis(500);

/// Unlike every other process's, and unlike this machine's last: a name seen lately cannot register again.
pub(crate) fn worker_name() -> String {
    SessionId::new().to_string()
}

pub(crate) struct Consumers<'a> {
    pub(crate) name: String,
    pub(crate) redis: &'a RedisHandle,
    pub(crate) config: &'a Config,
    pub(crate) slots: Arc<Slots>,
    pub(crate) replies: Arc<Replies>,
}

impl Consumers<'_> {
    /// Starts a consumer for each tier. They fetch until the shutdown; a consumer that ends before it is started again.
    pub(crate) async fn start(&self, tiers: &[String], tasks: &Tasks) -> anyhow::Result<()> {
        for tier in tiers {
            let queue = queue_name(self.redis.prefix(), tier);
            let source = RedisTasks::connect(&self.config.redis, &queue, self.slots.clone()).await?;
            let (name, replies, slots) = (format!("{}:{tier}", self.name), self.replies.clone(), self.slots.clone());
            let (redis, running) = (self.redis.clone(), tasks.clone());
            tasks.spawn(async move {
                let shutdown = running.shutdown();
                while !shutdown.is_cancelled() {
                    let ended = consume(&name, &redis, source.clone(), replies.clone(), slots.clone(), &running).await;
                    source.forget_fetched();
                    if let Err(error) = ended {
                        tracing::warn!(error, worker = name, "the consumer ended; starting it again");
                        _ = shutdown.run_until_cancelled(tokio::time::sleep(Duration::from_secs(1))).await;
                    }
                }
            });
        }
        Ok(())
    }
}

async fn consume(
    name: &str,
    redis: &RedisHandle,
    source: RedisTasks,
    replies: Arc<Replies>,
    slots: Arc<Slots>,
    running: &Tasks,
) -> Result<(), String> {
    let pushed = redis.wake_ups(&wake_channel(redis.prefix())).await.map_err(|e| e.to_string())?;
    let ticks = futures::stream::unfold(tokio::time::interval(SLOW_TICK), |mut interval| async move {
        interval.tick().await;
        Some(((), interval))
    });
    let (running, stop) = (running.clone(), running.shutdown().clone());
    let wake_ups = futures::stream::select(pushed, Box::pin(ticks)).boxed();
    let handle = move |job: GenerateReply| {
        let (replies, slot) = (replies.clone(), slots.occupy());
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
