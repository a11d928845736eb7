//! What may be seen late is read from a replica, while that is there and not too far behind.

use std::ffi::OsStr;

use serde_json::Value;
use troupe_tests::{Client, Cluster, ClusterOptions, Process, Replication, provider::default_reply, within};

use super::admin::admin;

const READ: &str = "reads that may lag go to the replica";
const NOT_READ: &str = "the replica is not read: the primary is";

async fn start(max_lag: &str) -> Cluster {
    let options = ClusterOptions::default().replicated(Replication::Read);
    let cluster = options.set("TROUPE_DATABASE__READ_MAX_LAG", max_lag).servers(1).workers(1).start().await;
    cluster.servers[0].logged(READ).await;
    cluster
}

/// How many of the user's messages have the word.
async fn found(user: &Client, word: &str) -> usize {
    let found = user.get(&format!("/api/v1/search/messages?q={word}")).await.expect(200);
    found["items"].as_array().expect("items").len()
}

async fn comes_to_find(user: &Client, word: &str) {
    within("a message that is found", async {
        while found(user, word).await == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn search_and_statistics_see_what_the_replica_has() {
    let cluster = start("5m").await;
    let (user, admin) = (cluster.client(0).await, admin(&cluster).await);
    let conversation = user.conversation("demo").await;
    user.ask(&conversation, "the lighthouse").await;
    comes_to_find(&user, "lighthouse").await;

    cluster.replicated().pause_replay().await;
    user.ask(&conversation, "the windmill").await;
    assert_eq!(found(&user, "windmill").await, 0, "the primary was read");
    let told: Vec<_> = user.messages(&conversation).await.into_iter().map(|(_, content)| content).collect();
    assert_eq!(told[2..], ["the windmill".to_owned(), default_reply("the windmill")], "what was written is read there");
    for page in ["/admin/stats", "/admin/queue/history", "/admin/audit"] {
        admin.get(&format!("/api/v1{page}")).await.expect(200);
    }

    cluster.replicated().resume_replay().await;
    comes_to_find(&user, "windmill").await;
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_doctor_looks_at_the_replica() {
    let mut cluster = start("5m").await;
    let said = doctor(&cluster).await;
    assert!(said.contains("?     replica: it follows, hot_standby_feedback off"), "{said}");
    cluster.kill_standby();
    let said = doctor(&cluster).await;
    assert!(said.contains("?     replica: ") && said.contains("look at database.read_url"), "{said}");
    cluster.assert_quiet_but_for(&[NOT_READ]).await;
}

async fn doctor(cluster: &Cluster) -> String {
    let arguments = [OsStr::new("doctor")];
    let mut doctor = Process::start("troupe-server", "a doctor".to_owned(), &arguments, cluster.environment());
    assert!(doctor.ended().await.success(), "{}", doctor.lines().join("\n"));
    doctor.lines().join("\n")
}

#[tokio::test]
async fn a_replica_that_falls_behind_is_not_read_until_it_has_caught_up() {
    let cluster = start("1s").await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    cluster.replicated().pause_replay().await;
    user.ask(&conversation, "the windmill").await;
    comes_to_find(&user, "windmill").await;
    cluster.servers[0].logged(NOT_READ).await;

    cluster.replicated().resume_replay().await;
    within("a replica that is read again", async {
        while cluster.servers[0].lines().iter().filter(|line| line.contains(READ)).count() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(found(&user, "windmill").await > 0);
    cluster.assert_quiet_but_for(&[NOT_READ]).await;
}

#[tokio::test]
async fn a_replica_that_dies_fails_no_read() {
    let mut cluster = start("5m").await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    user.ask(&conversation, "the lighthouse").await;
    comes_to_find(&user, "lighthouse").await;
    cluster.kill_standby();
    for _ in 0..20 {
        assert!(found(&user, "lighthouse").await > 0);
    }
    // By a read or by the watch, whichever was first.
    let is_left = |entry: &Value| {
        entry["fields"]["message"].as_str().is_some_and(|message| message.starts_with("the replica is not read"))
    };
    cluster.servers[0].logged_where("a replica that is left", is_left).await;
    assert!(found(&user, "lighthouse").await > 0);
    cluster.assert_quiet_but_for(&["replica"]).await;
}
