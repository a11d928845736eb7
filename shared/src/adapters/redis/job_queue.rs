//! The producing side of the job queue: apalis-redis's layout, written by a script of ours.
//!
//! apalis-redis's own push puts every task into the scheduled set, from which its fetch moves all that are due at once; past
//! some thousands Lua cannot unpack them and the queue stops for good (docs/adr/0002).

use std::collections::BTreeMap;

use apalis_redis::Config as Layout;
use async_trait::async_trait;
use fred::{
    interfaces::ClientLike,
    types::{Value, scripts::Script},
};

use super::{RedisHandle, script};
use crate::{
    jobs::{Dispatch, GenerateReply},
    ports::{JobQueue, PortError},
};

pub struct RedisJobQueue {
    redis: RedisHandle,
    push: Script,
}

/// The queue of a tier. The braces keep all its keys in one slot of a cluster.
pub fn queue_name(prefix: &str, tier: &str) -> String {
    format!("{{{prefix}:replies:{tier}}}")
}

/// Where a push to any queue is announced, by the name of its tier.
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
            let layout = Layout::default().queue(queue_name(self.redis.prefix(), tier));
            let keys = vec![layout.job_data_hash(), layout.active_jobs_list(), layout.job_meta_hash()];
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
        self.push(dispatches, "RPUSH").await
    }

    async fn enqueue_first(&self, dispatch: &Dispatch) -> Result<(), PortError> {
        self.push(std::slice::from_ref(dispatch), "LPUSH").await
    }

    async fn ping(&self) -> Result<(), PortError> {
        self.redis.client().ping(None).await.map_err(|e| PortError { what: "ping Redis", why: e.to_string() })
    }
}
