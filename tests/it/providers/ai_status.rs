//! The model services as admins see them, and the one who looks after them.

use serde_json::{Value, json};
use troupe_tests::{Cluster, ClusterOptions, Script, provider::Health};

use crate::operations::admin::{admin, see};

const STATUS: &str = "/api/v1/admin/ai/status";

/// Checks follow each other quickly; one key and a spare one.
fn options() -> ClusterOptions {
    ClusterOptions::default()
        .servers(1)
        .set("TROUPE_MODELS__CHECK_INTERVAL", "1s")
        .set("TROUPE_MODELS__CHECK_INTERVAL_FAILING", "1s")
        .set("TROUPE_PROVIDERS__OPENAI__KEYS__SPARE", "spare secret")
}

fn provider<'a>(status: &'a Value, provider: &str, key: &str) -> Option<&'a Value> {
    let all = status["providers"].as_array().expect("a list");
    all.iter().find(|one| one["provider"] == provider && one["key"] == key)
}

/// Waits until a key of the scripted service is shown like this.
async fn shown(cluster: &Cluster, key: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let admin = admin(cluster).await;
    let status = see(&admin, STATUS, what, |status| provider(status, "openai", key).is_some_and(&holds)).await;
    provider(&status, "openai", key).cloned().expect("the key")
}

#[tokio::test]
async fn what_came_of_the_calls_is_counted_with_how_long_it_took() {
    let cluster = options().start().await;
    let user = cluster.client(0).await;
    assert_eq!(user.get(STATUS).await.status.as_u16(), 403, "it is for admins");
    for n in 0..5 {
        user.ask(&user.conversation("demo").await, &format!("Question {n}")).await;
    }
    cluster.provider.on("Once more", [Script::error(500), Script::words(3)]);
    user.ask(&user.conversation("demo").await, "Once more").await;

    let main = shown(&cluster, "default", "six calls", |main| main["calls"] == 6 && main["check"]["ms"].is_i64()).await;
    assert_eq!(main["outcomes"], json!({"completed": 5, "failed": 1}));
    assert_eq!((&main["error_rate"], &main["light"]), (&json!(0.167), &json!("amber")), "{main}");
    assert_eq!((&main["breaker"], &main["rest"]), (&json!("closed"), &Value::Null));
    for (times, share) in [("first_word_ms", "p50"), ("first_word_ms", "p99"), ("whole_ms", "p95")] {
        assert!(main[times][share].as_u64().is_some(), "{times} {share} in {main}");
    }
    assert!(main["last_success"].is_string() && main["check"]["outcome"] == "completed", "{main}");
    let spare = shown(&cluster, "spare", "one call", |spare| spare["calls"] == 1).await;
    assert_eq!(spare["light"], "green", "{spare}");
    let text = admin(&cluster).await.get(STATUS).await.text;
    assert!(!text.contains("spare secret") && !text.contains("scripted"), "only aliases are shown: {text}");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_key_that_a_check_finds_refused_is_not_asked_until_one_finds_it_accepted() {
    // One worker: another might hear of it a second later.
    let cluster = options().workers(1).start().await;
    let user = cluster.client(0).await;
    user.ask(&user.conversation("demo").await, "Before").await;
    cluster.provider.set_health(Health::Status(401));
    let out = shown(&cluster, "default", "a red light", |main| main["light"] == "red").await;
    assert_eq!((&out["breaker"], &out["rest"]["why"]), (&json!("open"), &json!("key_refused")), "{out}");
    shown(&cluster, "spare", "both", |spare| spare["light"] == "red").await;
    let sent = user.send(&user.conversation("demo").await, "Meanwhile").await;
    assert_eq!(
        user.finished(&sent.request).await["status"],
        "failed",
        "nobody is asked whose key is known to be refused"
    );
    assert!(cluster.provider.calls_of("Meanwhile").is_empty());

    cluster.provider.set_health(Health::Well);
    shown(&cluster, "default", "the way to a probe", |main| main["breaker"] == "half_open").await;
    assert!(!user.ask(&user.conversation("demo").await, "After").await.is_empty());
    cluster.assert_quiet_but_for(&["does not accept its key"]).await;
}

#[tokio::test]
async fn one_worker_looks_after_the_providers_for_all() {
    let cluster = options().workers(3).set("TROUPE_MODELS__CHECK_INTERVAL", "1h").start().await;
    // Each key once, within the shorter interval; healthy ones are not looked at again for an hour.
    cluster.provider.checked(2).await;
    for key in ["default", "spare"] {
        shown(&cluster, key, "a check", |one| one["check"]["outcome"] == "completed").await;
    }
    let rested =
        "select count(*) from provider_checks where provider = 'openai' and next_at > now() + interval '40 minutes'";
    let looks = cluster.number(rested).await;
    assert_eq!(looks, 2);
    assert_eq!(cluster.provider.checks(), 2, "not by each of the three");
    cluster.assert_quiet().await;
}
