//! Rate limits in Redis, shared by all servers: one script call, however many limits apply.
//!
//! A Redis that is away or slow must not delay calls: no retries, and no waiting for a connection.

use std::time::Duration;

use async_trait::async_trait;
use fred::types::{Value, scripts::Script};

use super::{RedisHandle, failing_fast, metrics::measured, run, script};
use crate::ports::{Limit, Limiter, PortError, Refused, Verdict};

pub struct RedisLimiter {
    redis: RedisHandle,
    script: Script,
    timeout: Duration,
}

impl RedisLimiter {
    /// Calls wait no longer than `timeout`.
    pub fn new(redis: RedisHandle, timeout: Duration) -> Self {
        Self { redis, script: script(include_str!("limiter.lua")), timeout }
    }

    /// The braces keep a group's counters in one slot of a cluster.
    fn key(&self, group: &str, limit: &Limit) -> String {
        let Limit { name, subject, .. } = limit;
        format!("{{{}:limits:{group}}}:{name}:{subject}", self.redis.prefix)
    }
}

#[async_trait]
impl Limiter for RedisLimiter {
    async fn admit(&self, group: &str, limits: &[Limit]) -> Result<Verdict, PortError> {
        let failed = |why: String| PortError { what: "count a call in Redis", why };
        let client = failing_fast(&self.redis, self.timeout).map_err(|error| failed(error.to_string()))?;
        let keys = limits.iter().map(|limit| self.key(group, limit)).collect();
        let amounts = limits.iter().flat_map(|Limit { quota, .. }| [quota.cost(), quota.max_owed()]);
        let arguments = amounts.map(microseconds).map(Value::from).collect();
        let reply: Result<Vec<i64>, _> = measured("limit", run(&client, &self.script, keys, arguments)).await;
        let reply = reply.map_err(|error| failed(error.to_string()))?;
        read(&reply, limits).ok_or_else(|| failed(format!("the script replied {reply:?}")))
    }
}

fn microseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn read(reply: &[i64], limits: &[Limit]) -> Option<Verdict> {
    let [refusing, wait, owed @ ..] = reply else { return None };
    let duration = |micros: i64| u64::try_from(micros).ok().map(Duration::from_micros);
    let owed: Vec<_> = owed.iter().copied().map(duration).collect::<Option<_>>()?;
    let refused = match usize::try_from(*refusing).ok()?.checked_sub(1) {
        Some(limit) => Some(Refused { limit, retry_after: duration(*wait)? }),
        None => None,
    };
    (owed.len() == limits.len() && refused.is_none_or(|refused| refused.limit < limits.len()))
        .then_some(Verdict { owed, refused })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quota::Quota;

    #[test]
    fn what_the_script_says_is_read_or_refused() {
        let limit = |name| Limit { name, subject: String::new(), quota: Quota::per_minute(10) };
        let limits = [limit("chat"), limit("calls")];
        let second = Duration::from_secs(1);
        let admitted = Verdict { owed: vec![second, second * 2], refused: None };
        assert_eq!(read(&[0, 0, 1_000_000, 2_000_000], &limits), Some(admitted));
        let refused = Some(Refused { limit: 1, retry_after: second });
        assert_eq!(read(&[2, 1_000_000, 0, 0], &limits).unwrap().refused, refused);
        for wrong in [&[][..], &[0, 0, 1], &[3, 1, 0, 0], &[-1, 0, 0, 0], &[0, 0, -1, 0]] {
            assert_eq!(read(wrong, &limits), None, "{wrong:?}");
        }
    }
}
