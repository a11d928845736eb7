//! The producer of the job queue: the layout of apalis-redis, written by a script of ours.
//!
//! apalis-redis's own push puts every task into the scheduled set, from which its fetch moves all due ones at once;
//! with some thousands of them Lua fails to unpack, and the queue stops for good (docs/adr/0002).

use std::collections::BTreeMap;

use apalis_redis::Config as Layout;
use async_trait::async_trait;
use fred::{
    interfaces::{ClientLike, KeysInterface, ListInterface},
    types::{Value, scripts::Script},
};

use super::{RedisHandle, metrics::measured, script};
use crate::{
    jobs::{Dispatch, GenerateReply, request_of},
    ports::{JobQueue, PortError, QueueLevel},
};

pub struct RedisJobQueue {
    redis: RedisHandle,
    push: Script,
}

/// The queue of a tier. The braces keep all its keys in one slot of a cluster.
pub fn queue_name(prefix: &str, tier: &str) -> String {
    format!("{{{prefix}:replies:{tier}}}")
}

/// The count of jobs that were ever pushed to a queue.
fn pushed_counter(queue: &str) -> String {
    format!("{queue}:pushed")
}

/// The count of jobs of a queue that were ever finished, whatever their outcome.
pub fn finished_counter(queue: &str) -> String {
    format!("{queue}:finished")
}

/// The channel of push announcements for all queues; a message is the tier's name.
pub fn wake_channel(prefix: &str) -> String {
    format!("{prefix}:wake")
}

impl RedisJobQueue {
    pub fn new(redis: RedisHandle) -> Self {
        Self { redis, push: script(include_str!("push.lua")) }
    }

    /// Pushes to one end of the queues.
    async fn push(&self, dispatches: &[Dispatch], command: &str) -> Result<(), PortError> {
        let failed = |why: String| PortError { what: "enqueue jobs", why };
        let announce = |tier: &str| vec![wake_channel(self.redis.prefix()).into(), tier.into(), command.into()];
        let mut by_tier: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for dispatch in dispatches {
            let payload = serde_json::to_vec(&GenerateReply { request_id: dispatch.request_id })
                .map_err(|e| failed(e.to_string()))?;
            let arguments = by_tier.entry(&dispatch.tier).or_insert_with(|| announce(&dispatch.tier));
            arguments.push(dispatch.task_id().into());
            arguments.push(Value::Bytes(payload.into()));
        }
        for (tier, arguments) in by_tier {
            let queue = queue_name(self.redis.prefix(), tier);
            let layout = Layout::default().queue(&queue);
            let data = [layout.job_data_hash(), layout.active_jobs_list(), layout.job_meta_hash()];
            let keys = [&data[..], &[pushed_counter(&queue)]].concat();
            let _pushed: i64 = self
                .push
                .evalsha_with_reload(self.redis.client(), keys, arguments)
                .await
                .map_err(|e| failed(e.to_string()))?;
        }
        Ok(())
    }
}

#[async_trait]
impl JobQueue for RedisJobQueue {
    async fn enqueue(&self, dispatches: &[Dispatch]) -> Result<(), PortError> {
        measured("enqueue", self.push(dispatches, "RPUSH")).await
    }

    async fn enqueue_first(&self, dispatch: &Dispatch) -> Result<(), PortError> {
        measured("enqueue", self.push(std::slice::from_ref(dispatch), "LPUSH")).await
    }

    async fn levels(&self, tiers: &[String]) -> Result<Vec<QueueLevel>, PortError> {
        let failed = |e: fred::error::Error| PortError { what: "look at the queues", why: e.to_string() };
        let pipeline = self.redis.client().pipeline();
        for tier in tiers {
            let queue = queue_name(self.redis.prefix(), tier);
            let active = Layout::default().queue(&queue).active_jobs_list();
            let _: () = pipeline.llen(&active).await.map_err(failed)?;
            let _: () = pipeline.lindex(&active, 0).await.map_err(failed)?;
            let _: () = pipeline.get(pushed_counter(&queue)).await.map_err(failed)?;
            let _: () = pipeline.get(finished_counter(&queue)).await.map_err(failed)?;
        }
        let answers: Vec<Option<String>> = pipeline.all().await.map_err(failed)?;
        let number = |answer: &Option<String>| answer.as_deref().and_then(|n| n.parse().ok()).unwrap_or(0);
        let (levels, _) = answers.as_chunks();
        Ok(levels
            .iter()
            .map(|[waiting, head, pushed, finished]| QueueLevel {
                waiting: number(waiting),
                head: head.as_deref().and_then(request_of),
                pushed: number(pushed),
                finished: number(finished),
            })
            .collect())
    }

    async fn ping(&self) -> Result<(), PortError> {
        self.redis.client().ping(None).await.map_err(|e| PortError { what: "ping Redis", why: e.to_string() })
    }
}
