//! Tiers share the workers by weight: pro goes before free, and free is not starved.

use futures::future::join_all;
use serde_json::{Value, json};
use troupe_tests::{Client, Cluster, ClusterOptions, Gate, Script, provider::default_reply, within};

use crate::operations::admin::admin;

/// Long enough for the shares to show.
const BACKLOG: usize = 40;

async fn one_worker(concurrency: usize) -> Cluster {
    let options = ClusterOptions::default().servers(1).workers(1);
    // A backlog is what is tested here: nobody must hand it over again meanwhile.
    let options = options.set("TROUPE_QUEUE__REDISPATCH_AFTER", "10m");
    let options = options.set("TROUPE_QUEUE__USER_AT_ONCE", "1000");
    options.set("TROUPE_WORKER__CONCURRENCY", &concurrency.to_string()).start().await
}

async fn user_of_tier(cluster: &Cluster, tier: &str) -> Client {
    let user = cluster.client(0).await;
    let update = sqlx::query("update users set tier = $1 where email = $2").bind(tier).bind(&user.email);
    assert_eq!(update.execute(&cluster.db).await.unwrap().rows_affected(), 1);
    user
}

/// Fills every slot with a reply of this user's; each waits at a gate of its own.
async fn occupy(cluster: &Cluster, user: &Client, slots: usize) -> Vec<Gate> {
    let mut gates = Vec::new();
    for slot in 0..slots {
        let (question, gate) = (format!("in the way {slot}"), Gate::new());
        cluster.provider.on(&question, [Script::gated(["At last."], &gate)]);
        user.send(&user.conversation("demo").await, &question).await;
        gate.reached(1).await;
        gates.push(gate);
    }
    gates
}

/// Sends so many messages, each in a conversation of its own, and waits until they are in the tier's queue.
async fn fill(cluster: &Cluster, user: &Client, tier: &str, messages: usize) -> Vec<String> {
    let ask =
        |n: usize| async move { user.send(&user.conversation("demo").await, &format!("{tier} {n}")).await.request };
    let sent = join_all((0..messages).map(ask)).await;
    let queue = format!("{{{}:replies:{tier}}}:active", cluster.redis_prefix());
    within(&format!("{messages} jobs in {queue}"), async {
        while redis::from_redis_value::<usize>(cluster.redis(&["LLEN", &queue]).await).unwrap() < messages {}
    })
    .await;
    sent
}

/// The tiers in the order in which the provider was asked for their replies.
fn order(cluster: &Cluster) -> Vec<String> {
    let calls = cluster.provider.calls().into_iter();
    calls.filter_map(|call| Some(call.question.split_once(' ')?.0.to_owned())).filter(|tier| tier != "in").collect()
}

fn count(tier: &str, order: &[String]) -> usize {
    order.iter().filter(|asked| *asked == tier).count()
}

async fn shares(cluster: &Cluster, slots: usize, heavy: &str, weight: usize) {
    let (pro, free) = (user_of_tier(cluster, heavy).await, user_of_tier(cluster, "free").await);
    let gates = occupy(cluster, &free, slots).await;
    let mut sent = Vec::new();
    // Free was there first, all of it.
    for request in fill(cluster, &free, "free", BACKLOG).await {
        sent.push((&free, request));
    }
    for request in fill(cluster, &pro, heavy, BACKLOG).await {
        sent.push((&pro, request));
    }
    gates.iter().for_each(Gate::open);
    for (user, request) in sent {
        user.reply(&request).await;
    }
    let order = order(cluster);
    assert_eq!((count(heavy, &order), count("free", &order)), (BACKLOG, BACKLOG), "{order:?}");
    let both = &order[..=order.iter().rposition(|asked| asked == heavy).unwrap()];
    let share = BACKLOG / weight;
    let free_meanwhile = count("free", both);
    assert!(
        (share - share / 4..=share + share / 4 + 2).contains(&free_meanwhile),
        "{free_meanwhile} of free in {both:?}"
    );
    // Evenly: wherever one looks, free gets its turn before pro has had its share three times over.
    let longest = both.split(|asked| asked == "free").map(<[String]>::len).max().unwrap();
    assert!(longest <= 3 * weight, "{longest} of {heavy} in a row in {both:?}");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn four_to_one_with_one_slot() {
    shares(&one_worker(1).await, 1, "pro", 4).await;
}

#[tokio::test]
async fn four_to_one_with_two_slots() {
    shares(&one_worker(2).await, 2, "pro", 4).await;
}

#[tokio::test]
async fn another_weight_needs_no_restart() {
    let cluster = one_worker(1).await;
    let change = json!({"queue_weight": 2});
    admin(&cluster).await.patch("/api/v1/admin/tiers/pro", &change).await.expect(200);
    cluster.worker_logged("the new weight", |entry| entry["fields"]["message"] == "a tier has another weight").await;
    shares(&cluster, 1, "pro", 2).await;
}

/// Whoever is alone has every slot at once, whatever its weight, and the other's first message waits for one slot only.
#[tokio::test]
async fn no_slot_is_kept_for_a_tier_that_has_nothing() {
    let cluster = one_worker(4).await;
    let (pro, free) = (user_of_tier(&cluster, "pro").await, user_of_tier(&cluster, "free").await);
    let gates = occupy(&cluster, &free, 4).await;
    let waiting = fill(&cluster, &free, "free", 8).await;
    let urgent = fill(&cluster, &pro, "pro", 1).await;
    gates[0].open();
    assert_eq!(cluster.provider.asked("pro 0", 1).await.len(), 1);
    assert_eq!(order(&cluster)[0], "pro");
    gates.iter().for_each(Gate::open);
    assert_eq!(pro.reply(&urgent[0]).await, default_reply("pro 0"));
    for request in waiting {
        free.reply(&request).await;
    }
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn admins_say_who_speaks_for_a_tier_and_how_often_it_has_its_turn() {
    let cluster = ClusterOptions::default().servers(1).workers(0).start().await;
    let (admin, user) = (admin(&cluster).await, cluster.client(0).await);
    let (tiers, free) = ("/api/v1/admin/tiers", "/api/v1/admin/tiers/free");
    let tier = |name: &str, weight: u32, chain: Value| {
        let (calls, chat) = if name == "pro" { (1_200, 60) } else { (300, 10) };
        json!({"name": name, "queue_weight": weight, "chain": chain, "models": null, "calls_per_minute": calls, "chat_per_minute": chat})
    };
    let (pro, unset) = (tier("pro", 4, Value::Null), tier("free", 1, Value::Null));
    assert_eq!(admin.get(tiers).await.expect(200), json!([pro, unset]));
    assert_eq!(user.get(tiers).await.problem(403)["code"], "forbidden");
    assert_eq!(user.patch(free, &json!({"queue_weight": 9})).await.problem(403)["code"], "forbidden");

    for (field, change) in [
        ("queue_weight", json!({"queue_weight": 0})),
        ("queue_weight", json!({"queue_weight": 1001})),
        ("queue_weight", json!({"queue_weight": 2_147_483_648_u32})),
        ("chain[1]", json!({"chain": ["offline", "gpu"], "queue_weight": 5})),
        ("calls_per_minute", json!({"calls_per_minute": 0})),
        ("chat_per_minute", json!({"chat_per_minute": 1_000_001, "queue_weight": 5})),
        ("name", json!({"name": "gratis"})),
    ] {
        let answer = admin.patch(free, &change).await;
        assert_eq!(answer.problem(422)["errors"][0]["field"], field, "{change}");
    }
    admin.patch("/api/v1/admin/tiers/none", &json!({"queue_weight": 5})).await.problem(404);
    admin.patch("/api/v1/admin/tiers/a%00b", &json!({"queue_weight": 5})).await.problem(404);
    assert_eq!(admin.get(tiers).await.expect(200), json!([pro, unset]), "nothing was stored");

    let chain = json!(["openai/small", "offline"]);
    assert_eq!(admin.patch(free, &json!({ "chain": chain })).await.expect(200), tier("free", 1, chain.clone()));
    assert_eq!(admin.patch(free, &json!({"queue_weight": 9})).await.expect(200), tier("free", 9, chain.clone()));
    assert_eq!(admin.get(tiers).await.expect(200), json!([tier("free", 9, chain), pro]), "the heaviest first");
    assert_eq!(admin.patch(free, &json!({"chain": null})).await.expect(200), tier("free", 9, Value::Null));
    cluster.assert_quiet().await;
}
