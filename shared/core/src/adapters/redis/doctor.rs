//! What `doctor` looks at in Redis.

use chrono::DateTime;
use fred::{
    clients::{Client, WithOptions},
    interfaces::ClientLike,
    types::InfoKind,
};

use super::{RedisHandle, field, masters};
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
    let mut findings = Vec::new();
    for (node, master) in masters(redis.client()) {
        findings.extend(look_at(&node, &master, redis.has_replicas()).await?);
    }
    Ok(findings)
}

/// One master; `node` is its address where there may be several.
async fn look_at(node: &str, master: &WithOptions<Client>, has_replicas: bool) -> Result<Vec<Finding>, PortError> {
    let failed = |error: fred::error::Error| PortError { what: "ask Redis", why: error.to_string() };
    let about = |what: &str| if node.is_empty() { what.to_owned() } else { format!("{what} ({node})") };
    let began = SystemClock.now();
    let server: String = master.info(Some(InfoKind::Server)).await.map_err(failed)?;
    let took = SystemClock.now() - began;
    // In the middle of the call, as far as one knows.
    let ours = began + took / 2;
    let theirs = field(&server, "server_time_usec").and_then(|micros| micros.parse().ok());
    let theirs = theirs.and_then(DateTime::from_timestamp_micros).unwrap_or(ours);
    let memory: String = master.info(Some(InfoKind::Memory)).await.map_err(failed)?;
    let version = field(&server, "redis_version").unwrap_or("unknown");
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok()).unwrap_or_default();
    let mut findings = vec![
        if major < MIN_MAJOR_VERSION {
            Finding::ill(about("Redis"), format!("version {version}"), "6.2 or later is needed")
        } else {
            let answered = format!("version {version}, answered in {} ms", took.num_milliseconds());
            Finding::well(about("Redis"), answered)
        },
        Finding::of_clock(&about("Redis"), theirs, ours),
    ];
    let policy = field(&memory, "maxmemory_policy").unwrap_or("unknown");
    findings.push(if policy == "noeviction" {
        Finding::well(about("Redis' eviction"), policy)
    } else {
        let advice = "set maxmemory-policy to noeviction: evicted jobs come late";
        Finding::doubtful(about("Redis' eviction"), policy, advice)
    });
    let number = |name| field(&memory, name).and_then(|number| number.parse::<u64>().ok()).unwrap_or_default();
    let (used, max) = (number("used_memory"), number("maxmemory"));
    let mebibytes = |bytes: u64| bytes / 1_048_576;
    findings.push(match max {
        0 => Finding::well(about("Redis' memory"), format!("{} MiB used, no limit", mebibytes(used))),
        max if used > max / 10 * 8 => Finding::doubtful(
            about("Redis' memory"),
            format!("{} of {} MiB used", mebibytes(used), mebibytes(max)),
            "raise maxmemory: when it is full, nothing can be queued",
        ),
        max => Finding::well(about("Redis' memory"), format!("{} of {} MiB used", mebibytes(used), mebibytes(max))),
    });
    if has_replicas {
        let replication: String = master.info(Some(InfoKind::Replication)).await.map_err(failed)?;
        let replicas = field(&replication, "connected_slaves").unwrap_or("unknown");
        findings.push(if replicas == "0" {
            Finding::doubtful(about("Redis' replicas"), replicas, "start one: without it nothing takes over")
        } else {
            Finding::well(about("Redis' replicas"), replicas)
        });
    }
    Ok(findings)
}
