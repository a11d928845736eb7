//! What Redis holds after many messages: a measurement of some minutes, for which one asks.
//!
//! `cargo build --workspace --bins --test it`; `cargo test --workspace --test it -- --ignored --nocapture redis_over`,
//! with `TROUPE_SOAK_MESSAGES` for another number than 100,000. Its figures are in docs/PERFORMANCE.md.

use std::time::Instant;

use futures::future::join_all;
use troupe_tests::{Client, Cluster, ClusterOptions, within};

const USERS: usize = 48;

/// Sends so many messages, each when its user's last has been answered.
async fn send(users: &[(Client, String)], messages: usize) {
    let of = |n: usize| messages / users.len() + usize::from(n < messages % users.len());
    let one = async |(n, (user, conversation)): (usize, &(Client, String))| {
        for _ in 0..of(n) {
            user.send_waiting(conversation, "Hello", 25).await.expect(200);
        }
    };
    join_all(users.iter().enumerate().map(one)).await;
}

/// The number of keys, and the bytes in use.
async fn held(cluster: &Cluster) -> (u64, u64) {
    let keys = redis::from_redis_value(cluster.redis(&["DBSIZE"]).await).expect("a number");
    let info: String = redis::from_redis_value(cluster.redis(&["INFO", "memory"]).await).expect("text");
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).expect("used_memory");
    (keys, used.trim().parse().expect("a number"))
}

/// What is left when the logs have expired.
async fn held_at_rest(cluster: &Cluster) -> (u64, u64) {
    within("an end of tasks and logs", async { while held(cluster).await.0 > 2 {} }).await;
    held(cluster).await
}

#[tokio::test]
#[ignore = "a measurement of some minutes"]
#[expect(clippy::disallowed_methods, reason = "how many messages, for whoever asks for another number")]
async fn redis_over_many_messages() {
    let messages: usize = std::env::var("TROUPE_SOAK_MESSAGES").map_or(100_000, |number| number.parse().unwrap());
    let options =
        ClusterOptions::default().processes().own_engines().servers(1).workers(0).set("TROUPE_EVENTS__LOG_TTL", "5s");
    let mut cluster = options.set("TROUPE_MODELS__OFFLINE_WORD_INTERVAL", "0ms").start().await;
    cluster.set("OPENAI_API_KEY", "");
    cluster.set("OPENAI_BASE_URL", "");
    cluster.add_workers(2).await;
    let mut users = Vec::with_capacity(USERS);
    for _ in 0..USERS {
        let user = cluster.client(0).await;
        let conversation = user.conversation("demo").await;
        users.push((user, conversation));
    }
    let (began, mut sent, mut at_rest) = (Instant::now(), 0, Vec::new());
    for mark in [messages / 100, messages / 10, messages / 2, messages] {
        send(&users, mark - sent).await;
        sent = mark;
        let busy = held(&cluster).await;
        let rest = held_at_rest(&cluster).await;
        eprintln!(
            "after {sent} messages, {:.0?}: (keys, bytes) {busy:?} under load, {rest:?} at rest",
            began.elapsed()
        );
        at_rest.push(rest.1);
    }
    assert_eq!(cluster.number("select count(*) from requests where status = 'completed'").await, messages as i64);
    assert!(at_rest[3] < at_rest[0] + (1 << 20), "Redis has grown: {at_rest:?}");
    cluster.assert_quiet().await;
}
