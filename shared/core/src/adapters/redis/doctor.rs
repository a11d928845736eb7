//! What `doctor` looks at in Redis.

use chrono::DateTime;
use fred::{interfaces::ClientLike, types::InfoKind};

use super::{RedisHandle, field};
use crate::{
    clock::{Clock, SystemClock},
    config::Live,
    doctor::Finding,
    ports::PortError,
};

/// Scripts and sharded channels need no more.
const MIN_MAJOR_VERSION: u32 = 6;

pub async fn examine(live: &Live) -> Vec<Finding> {
    let redis = match RedisHandle::connect(live).await {
        Ok(redis) => redis,
        Err(error) => {
            return vec![Finding::ill("Redis", error.to_string(), "start it, and look at REDIS_URL (redis.url)")];
        }
    };
    let findings = look(&redis).await;
    redis.close().await;
    findings.unwrap_or_else(|error| {
        vec![Finding::ill("Redis", error.to_string(), "its user needs the commands PING and INFO")]
    })
}

async fn look(redis: &RedisHandle) -> Result<Vec<Finding>, PortError> {
    let failed = |error: fred::error::Error| PortError { what: "ask Redis", why: error.to_string() };
    let client = redis.client();
    let began = SystemClock.now();
    let server: String = client.info(Some(InfoKind::Server)).await.map_err(failed)?;
    let took = SystemClock.now() - began;
    // In the middle of the call, as far as one knows.
    let ours = began + took / 2;
    let theirs = field(&server, "server_time_usec").and_then(|micros| micros.parse().ok());
    let theirs = theirs.and_then(DateTime::from_timestamp_micros).unwrap_or(ours);
    let memory: String = client.info(Some(InfoKind::Memory)).await.map_err(failed)?;
    let version = field(&server, "redis_version").unwrap_or("unknown");
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok()).unwrap_or_default();
    let mut findings = vec![
        if major < MIN_MAJOR_VERSION {
            Finding::ill("Redis", format!("version {version}"), "6.2 or later is needed")
        } else {
            Finding::well("Redis", format!("version {version}, answered in {} ms", took.num_milliseconds()))
        },
        Finding::of_clock("Redis", theirs, ours),
    ];
    let policy = field(&memory, "maxmemory_policy").unwrap_or("unknown");
    findings.push(if policy == "noeviction" {
        Finding::well("Redis' eviction", policy)
    } else {
        Finding::doubtful("Redis' eviction", policy, "set maxmemory-policy to noeviction: evicted jobs come late")
    });
    let number = |name| field(&memory, name).and_then(|number| number.parse::<u64>().ok()).unwrap_or_default();
    let (used, max) = (number("used_memory"), number("maxmemory"));
    let mebibytes = |bytes: u64| bytes / 1_048_576;
    findings.push(match max {
        0 => Finding::well("Redis' memory", format!("{} MiB used, no limit", mebibytes(used))),
        max if used > max / 10 * 8 => Finding::doubtful(
            "Redis' memory",
            format!("{} of {} MiB used", mebibytes(used), mebibytes(max)),
            "raise maxmemory: when it is full, nothing can be queued",
        ),
        max => Finding::well("Redis' memory", format!("{} of {} MiB used", mebibytes(used), mebibytes(max))),
    });
    Ok(findings)
}
