//! A cache of plain keys with a time to live, and two counters.
//!
//! Fail-fast: no command is retried or waits for a connection, since callers can do without the cache.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use fred::{interfaces::KeysInterface, types::Expiration};

use super::{RedisHandle, failing_fast};
use crate::ports::{Cache, Lookups, PortError};

pub struct RedisCache {
    redis: RedisHandle,
    /// Caches of the same name share entries.
    name: &'static str,
}

impl RedisCache {
    /// The cache of replies.
    pub fn replies(redis: RedisHandle) -> Self {
        Self { redis, name: "replies" }
    }

    fn key(&self, key: &str) -> String {
        format!("{}:cache:{}:{key}", self.redis.prefix, self.name)
    }

    /// The braces keep both counters in one slot of a cluster.
    fn counter(&self, of: &str) -> String {
        format!("{{{}:cache:{}}}:{of}", self.redis.prefix, self.name)
    }
}

fn failed(what: &'static str) -> impl Fn(fred::error::Error) -> PortError {
    move |error| PortError { what, why: error.to_string() }
}

#[async_trait]
impl Cache for RedisCache {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, PortError> {
        let failed = failed("look into a cache");
        let client = failing_fast(&self.redis, self.redis.fail_fast_timeout).map_err(&failed)?;
        let found: Option<Bytes> = client.get(self.key(key)).await.map_err(failed)?;
        let counted: Result<i64, _> = client.incr(self.counter(if found.is_some() { "hits" } else { "misses" })).await;
        if let Err(error) = counted {
            tracing::debug!(%error, "a look into a cache was not counted");
        }
        Ok(found)
    }

    async fn put(&self, key: &str, value: Bytes, time_to_live: Duration) -> Result<(), PortError> {
        let milliseconds = i64::try_from(time_to_live.as_millis()).unwrap_or(i64::MAX).max(1);
        let expiration = Some(Expiration::PX(milliseconds));
        let failed = failed("put something into a cache");
        let client = failing_fast(&self.redis, self.redis.fail_fast_timeout).map_err(&failed)?;
        client.set(self.key(key), value, expiration, None, false).await.map_err(failed)
    }

    async fn lookups(&self) -> Result<Lookups, PortError> {
        let counters = vec![self.counter("hits"), self.counter("misses")];
        let failed = failed("read a cache's counters");
        let client = failing_fast(&self.redis, self.redis.fail_fast_timeout).map_err(&failed)?;
        let counts: Vec<Option<u64>> = client.mget(counters).await.map_err(failed)?;
        let count = |at: usize| counts.get(at).copied().flatten().unwrap_or(0);
        Ok(Lookups { hits: count(0), misses: count(1) })
    }
}
