//! `/ready`: whether a replica can take calls, whatever the pool of the traffic is doing.

use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::Executor;
use troupe_core::lifecycle::Tasks;
use troupe_engines::Shutdown;
use troupe_tests::{Client, Cluster, ClusterOptions, Signal, within};

/// As `/ready` has it, with time for a machine that is busy.
const LIMIT: Duration = Duration::from_secs(4);

async fn assert_ready(user: &Client) {
    let ready = user.get("/ready").await;
    assert_eq!((ready.status.as_u16(), &ready.body["postgres"]), (200, &json!("ok")), "{}", ready.text);
}

async fn assert_not_ready_within_the_limit(user: &Client) {
    let asked = Instant::now();
    let ready = user.get("/ready").await;
    assert_eq!((ready.status.as_u16(), &ready.body["postgres"]), (503, &json!("away")), "{}", ready.text);
    assert!(asked.elapsed() < LIMIT, "it took {:?}", asked.elapsed());
}

/// The backends of the server that are doing, or have done last, what is asked.
async fn backends(cluster: &Cluster, which: &str) -> Vec<i32> {
    let pids = format!("select pid from pg_stat_activity where application_name = 'troupe-server' and {which}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(pids)).fetch_all(&cluster.db).await.expect("the backends")
}

#[tokio::test]
async fn a_full_pool_takes_no_replica_out() {
    let options = ClusterOptions::default().own_engines().servers(1).workers(0);
    let options = options.set("TROUPE_DATABASE__MAX_CONNECTIONS", "2").set("TROUPE_DATABASE__ACQUIRE_TIMEOUT", "20s");
    let cluster = options.start().await;
    let user = cluster.client(0).await;
    let mut holder = cluster.db.begin().await.unwrap();
    holder.execute("lock table conversations in access exclusive mode").await.unwrap();
    let calls: Vec<_> = (0..4)
        .map(|_| {
            let user = user.clone();
            Tasks::default().spawn(async move { user.get("/api/v1/conversations").await })
        })
        .collect();
    within("all connections of the pool waiting for the lock", async {
        while backends(&cluster, "wait_event_type = 'Lock'").await.len() < 2 {}
    })
    .await;
    assert_ready(&user).await;
    assert_ready(&user).await;
    holder.rollback().await.unwrap();
    for call in calls {
        within("a call that waited", call).await.expect("a call").expect(200);
    }
    cluster.assert_quiet().await;
}

/// The probe's connection may break, hang, or find nothing to connect to: each shows as it is, and no longer than it
/// lasts.
#[tokio::test]
async fn without_postgres_a_replica_says_so_in_time() {
    let mut cluster = ClusterOptions::default().own_engines().servers(1).workers(0).start().await;
    let user = cluster.client(0).await;
    assert_ready(&user).await;
    let probe = backends(&cluster, "query = 'select 1'").await;
    assert_eq!(probe.len(), 1, "one connection asks");
    cluster.number(&format!("select pg_terminate_backend({})::int::bigint", probe[0])).await;
    assert_ready(&user).await;

    // One that hangs is replaced, and is no connection more.
    let probe = backends(&cluster, "query = 'select 1'").await;
    assert_eq!(probe.len(), 1, "one connection asks");
    let hung = probe[0].unsigned_abs();
    Signal::Stop.send(hung).expect("a signal");
    assert_ready(&user).await;
    Signal::Continue.send(hung).expect("a signal");

    cluster.stop_postgres().await;
    assert_not_ready_within_the_limit(&user).await;
    cluster.restart_postgres(Shutdown::Fast).await;
    assert_ready(&user).await;
}

#[tokio::test]
async fn a_server_that_leaves_is_not_ready_and_still_takes_calls() {
    let options = ClusterOptions::default().servers(1).workers(1).processes().set("TROUPE_SERVER__LEAVE", "10m");
    let mut cluster = options.start().await;
    let user = cluster.client(0).await;
    assert_ready(&user).await;
    cluster.servers[0].signal(Signal::Terminate);
    within("the server says that it leaves", async {
        loop {
            let ready = user.get("/ready").await;
            if ready.status == 503 {
                return assert_eq!(ready.body["status"], "leaving", "{}", ready.text);
            }
        }
    })
    .await;
    let conversation = user.conversation("demo").await;
    user.ask(&conversation, "Are you still there?").await;
    // The second ends it at once.
    cluster.servers[0].signal(Signal::Terminate);
    assert!(!cluster.servers[0].ended().await.success());
}
