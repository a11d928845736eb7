//! The provider board in Redis: a hash of endpoint states, a key per probe, and a hash of counters per minute.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use fred::{
    interfaces::{HashesInterface, KeysInterface},
    types::{Expiration, SetOptions},
};

use super::RedisHandle;
use crate::ports::{EndpointState, PortError, ProviderBoard};

const COUNTERS_TTL_SECONDS: i64 = 2 * 3_600;

pub struct RedisProviderBoard {
    redis: RedisHandle,
}

impl RedisProviderBoard {
    pub fn new(redis: RedisHandle) -> Self {
        Self { redis }
    }

    fn board(&self) -> String {
        format!("{}:providers", self.redis.prefix())
    }

    /// One key per minute since the epoch.
    fn counters(&self, minute: i64) -> String {
        format!("{}:providers:counts:{minute}", self.redis.prefix())
    }

    fn successes(&self) -> String {
        format!("{}:providers:spoke", self.redis.prefix())
    }
}

fn failed(what: &'static str) -> impl Fn(fred::error::Error) -> PortError {
    move |error| PortError { what, why: error.to_string() }
}

#[async_trait]
impl ProviderBoard for RedisProviderBoard {
    async fn publish(&self, endpoint: &str, state: &EndpointState) -> Result<(), PortError> {
        let what = "tell of a provider";
        let json = serde_json::to_string(state).map_err(|e| PortError { what, why: e.to_string() })?;
        self.redis.client().hset(self.board(), (endpoint, json)).await.map_err(failed(what))
    }

    async fn states(&self) -> Result<HashMap<String, EndpointState>, PortError> {
        let stored: HashMap<String, String> =
            self.redis.client().hgetall(self.board()).await.map_err(failed("hear of the providers"))?;
        // States in the format of another version are ignored.
        let read = |(endpoint, json): (String, String)| Some((endpoint, serde_json::from_str(&json).ok()?));
        Ok(stored.into_iter().filter_map(read).collect())
    }

    async fn take_probe(&self, endpoint: &str, lasting: Duration) -> Result<bool, PortError> {
        let key = format!("{}:providers:probe:{endpoint}", self.redis.prefix());
        let lasting = Expiration::PX(i64::try_from(lasting.as_millis()).unwrap_or(i64::MAX));
        let taken: Option<String> = self
            .redis
            .client()
            .set(key, 1, Some(lasting), Some(SetOptions::NX), false)
            .await
            .map_err(failed("take a provider's probe"))?;
        Ok(taken.is_some())
    }

    async fn count(&self, now: DateTime<Utc>, counts: &[(String, u64)], succeeded: &[String]) -> Result<(), PortError> {
        let failed = failed("count what providers did");
        let counters = self.counters(now.timestamp() / 60);
        let pipeline = self.redis.client().pipeline();
        for (field, count) in counts {
            let count = i64::try_from(*count).unwrap_or(i64::MAX);
            let _: () = pipeline.hincrby(&counters, field.as_str(), count).await.map_err(&failed)?;
        }
        let _: () = pipeline.expire(&counters, COUNTERS_TTL_SECONDS, None).await.map_err(&failed)?;
        for endpoint in succeeded {
            let _: () =
                pipeline.hset(self.successes(), (endpoint.as_str(), now.timestamp_millis())).await.map_err(&failed)?;
        }
        let _: Vec<i64> = pipeline.all().await.map_err(&failed)?;
        Ok(())
    }

    async fn counts(&self, now: DateTime<Utc>, minutes: u32) -> Result<HashMap<String, u64>, PortError> {
        let failed = failed("see what providers did");
        let pipeline = self.redis.client().pipeline();
        let newest = now.timestamp() / 60;
        for minute in newest - i64::from(minutes)..=newest {
            let _: () = pipeline.hgetall(self.counters(minute)).await.map_err(&failed)?;
        }
        let counters: Vec<HashMap<String, u64>> = pipeline.all().await.map_err(&failed)?;
        let mut sums = HashMap::new();
        for (field, count) in counters.into_iter().flatten() {
            *sums.entry(field).or_default() += count;
        }
        Ok(sums)
    }

    async fn last_successes(&self) -> Result<HashMap<String, DateTime<Utc>>, PortError> {
        let successes: HashMap<String, i64> =
            self.redis.client().hgetall(self.successes()).await.map_err(failed("see when providers spoke"))?;
        let at = |(endpoint, at)| Some((endpoint, DateTime::from_timestamp_millis(at)?));
        Ok(successes.into_iter().filter_map(at).collect())
    }
}
