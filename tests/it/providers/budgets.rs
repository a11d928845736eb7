//! Budgets at work: who has spent theirs is told so, or hears the built-in model, and nobody spends more than there is.

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use troupe_tests::{Client, Cluster, ClusterOptions, Gate, Script, provider::COMPLETION_TOKENS, within};

use crate::operations::admin::admin;

/// What is reserved for a reply, where each token that is said costs 1.
const RESERVED: u64 = 10;
/// What it costs then.
const PAID: u64 = COMPLETION_TOKENS;

/// No worker yet: whatever is set before the first one starts counts for it at once.
fn options() -> ClusterOptions {
    ClusterOptions::default()
        .servers(1)
        .workers(0)
        .set("TROUPE_MODELS__MAX_REPLY_TOKENS", &RESERVED.to_string())
        .set("TROUPE_MODELS__PRICES_REFRESH", "100ms")
}

async fn set(admin: &Client, path: &str, body: &Value) {
    let call = admin.call(Method::PUT, &format!("/api/v1/admin/{path}")).json(body);
    admin.answer(call).await.expect(204);
}

async fn set_price(admin: &Client, completion_price: f64) {
    set(admin, "prices/openai", &json!({"prompt_price": 0, "completion_price": completion_price})).await;
}

async fn set_budget(admin: &Client, whose: &str, daily_limit: u64) {
    set(admin, &format!("budgets/{whose}"), &json!({ "daily_limit": daily_limit })).await;
}

fn id(user: &Client) -> &str {
    user.user["id"].as_str().expect("an id")
}

/// The request of a message, when it is final.
async fn asked(user: &Client, persona: &str, question: &str) -> Value {
    let sent = user.send(&user.conversation(persona).await, question).await;
    user.finished(&sent.request).await
}

/// That a request failed for want of money, of this budget.
fn refused(request: &Value, whose: &str) {
    let error = &request["error"];
    assert_eq!((&error["code"], &error["status"]), (&json!("budget_exhausted"), &json!(429)), "{request}");
    assert_eq!(error["retryable"], true);
    let detail = error["detail"].as_str().expect("a detail");
    assert!(detail.starts_with(whose) && detail.contains("it renews at 2") && detail.ends_with("T00:00Z"), "{detail}");
}

async fn spent(cluster: &Cluster, account: &str) -> f64 {
    let sum = "select coalesce(sum(spent), 0) from spending where scope || '/' || subject = $1";
    sqlx::query_scalar(sum).bind(account).fetch_one(&cluster.db).await.unwrap()
}

async fn cost(cluster: &Cluster) -> f64 {
    sqlx::query_scalar("select sum(cost) from requests").fetch_one(&cluster.db).await.unwrap()
}

fn near(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-6
}

#[tokio::test]
async fn replies_at_once_spend_no_more_than_there_is() {
    let mut cluster = options().start().await;
    let admin = admin(&cluster).await;
    set_price(&admin, 1e6).await;
    set_budget(&admin, "tier/free", 10 * RESERVED).await;
    cluster.add_workers(2).await;
    let gate = Gate::new();
    cluster.provider.by_habit({
        let gate = gate.clone();
        move |_, _| Script::gated(["Yes."], &gate)
    });
    let users = join_all((0..5).map(|_| cluster.client(0))).await;
    let sent = join_all(users.iter().cycle().take(50).map(async |user| {
        let conversation = user.conversation("demo").await;
        (user, user.send(&conversation, "May I?").await.request)
    }))
    .await;
    gate.reached(10).await;
    within("the failure of those for whom nothing is left", async {
        while cluster.count("requests where status = 'failed'").await < 40 {
            // Nothing tells of all of them.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(cluster.provider.calls().len(), 10);
    assert!(near(spent(&cluster, "tier/free").await, 10.0 * RESERVED as f64), "all of it is reserved");
    gate.open();
    let mut completed = 0;
    for (user, request) in sent {
        let request = user.finished(&request).await;
        if request["status"] == "completed" {
            completed += 1;
        } else {
            refused(&request, "the budget of all users of the tier free");
        }
    }
    assert_eq!(completed, 10);
    assert!(near(spent(&cluster, "tier/free").await, 10.0 * PAID as f64), "what was not needed was given back");
    assert!(near(cost(&cluster).await, 10.0 * PAID as f64));
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn each_budget_stops_those_whom_it_is_for() {
    let mut cluster = options().start().await;
    let admin = admin(&cluster).await;
    let [anybody, spendthrift, rich, professional] =
        [cluster.client(0).await, cluster.client(0).await, cluster.client(0).await, cluster.client(0).await];
    let persona =
        json!({"slug": "miser", "name": "Ebenezer", "system_prompt": "You are thrifty.", "visibility": "public"});
    rich.post("/api/v1/personas", &persona).await.expect(201);
    let promote = sqlx::query("update users set tier = 'pro' where id = $1::uuid").bind(id(&professional));
    promote.execute(&cluster.db).await.unwrap();
    set_price(&admin, 1e6).await;
    // Two replies of each user, and whoever has a budget of the own more or none.
    set_budget(&admin, "tier_user/free", RESERVED + PAID).await;
    set_budget(&admin, &format!("user/{}", id(&spendthrift)), 0).await;
    set_budget(&admin, &format!("user/{}", id(&rich)), 1_000).await;
    set_budget(&admin, "tier/pro", 0).await;
    set_budget(&admin, "persona/miser", 0).await;
    cluster.add_worker().await;

    refused(&asked(&spendthrift, "demo", "May I?").await, "your budget");
    refused(&asked(&professional, "demo", "May I?").await, "the budget of all users of the tier pro");
    refused(&asked(&rich, "miser", "May I?").await, "the budget of this persona");
    for _ in 0..3 {
        assert_eq!(asked(&rich, "demo", "May I?").await["status"], "completed");
    }
    for _ in 0..2 {
        assert_eq!(asked(&anybody, "demo", "May I?").await["status"], "completed");
    }
    refused(&asked(&anybody, "demo", "May I?").await, "your budget");
    let mine = anybody.get("/api/v1/auth/me/budget").await.expect(200);
    assert_eq!((&mine["daily_limit"], &mine["spent"]), (&json!((RESERVED + PAID) as f64), &json!(2.0 * PAID as f64)));

    set_budget(&admin, "everyone/*", 0).await;
    let end = within("the end of all spending", async {
        loop {
            let request = asked(&rich, "demo", "May I?").await;
            if request["status"] == "failed" {
                return request;
            }
        }
    })
    .await;
    refused(&end, "the budget of this service");
    let causes = cluster
        .number("select count(*) from attempts where cause like 'the budget of tier pro is spent until 2%'")
        .await;
    assert_eq!(causes, 1, "operators learn which budget it was");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn the_built_in_model_speaks_where_the_persona_wants_it() {
    let mut cluster = options().set("TROUPE_MODELS__OFFLINE_WORD_INTERVAL", "1ms").start().await;
    let admin = admin(&cluster).await;
    set_price(&admin, 1e6).await;
    set_budget(&admin, "persona/demo", RESERVED).await;
    sqlx::query("update personas set over_budget = 'offline'").execute(&cluster.db).await.unwrap();
    cluster.add_worker().await;
    let user = cluster.client(0).await;
    assert_eq!(asked(&user, "demo", "May I?").await["provider"], "openai");
    let request = asked(&user, "demo", "May I again?").await;
    assert_eq!((&request["status"], &request["provider"]), (&json!("completed"), &json!("offline")), "{request}");
    assert_eq!(cluster.provider.calls().len(), 1);
    let persona: String =
        sqlx::query_scalar("select 'persona/' || id from personas").fetch_one(&cluster.db).await.unwrap();
    assert!(near(spent(&cluster, &persona).await, PAID as f64), "the built-in model costs nothing");
    cluster.assert_quiet().await;
}

/// Of calls that broke off as well, whose tokens nobody reported.
#[tokio::test]
async fn what_is_spent_is_the_sum_of_all_that_was_tried() {
    let mut cluster = options().start().await;
    let admin = admin(&cluster).await;
    set(&admin, "prices/openai", &json!({"prompt_price": 1000, "completion_price": 2000})).await;
    set_budget(&admin, "everyone/*", 1_000_000).await;
    cluster.add_workers(2).await;
    let user = cluster.client(0).await;
    let cut = || Script::text("A beginning that comes to nothing").then_cut();
    cluster.provider.on("Cut", [cut(), cut(), Script::words(5)]);
    cluster.provider.on("Untold", [Script::words(9).without_usage()]);
    cluster.provider.on("Refused", [Script::error(400)]);
    let requests =
        join_all(["Cut", "Untold", "Refused", "May I?"].map(|question| asked(&user, "demo", question))).await;
    let statuses: Vec<_> = requests.iter().map(|request| request["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["completed", "completed", "failed", "completed"]);
    assert_eq!(requests[1]["usage"]["estimated"], true);
    let paid = cost(&cluster).await;
    assert!(near(spent(&cluster, "everyone/*").await, paid), "{paid} were paid");
    let tried = "select sum((tried->>'cost')::float8) from attempt_history, jsonb_array_elements(trail) tried";
    let tried: f64 = sqlx::query_scalar(tried).fetch_one(&cluster.db).await.unwrap();
    assert!(paid > 0.0 && near(tried, paid), "{tried} for what was tried, {paid} were paid");
    cluster.assert_quiet().await;
}

/// Too little is left then, never too much.
#[tokio::test]
async fn what_a_dead_worker_had_reserved_stays_spent() {
    let mut cluster = options().processes().set("TROUPE_WORKER__LEASE", "1s").start().await;
    let admin = admin(&cluster).await;
    set_price(&admin, 1e6).await;
    set_budget(&admin, "everyone/*", 2 * RESERVED).await;
    let doomed = cluster.add_worker().await;
    let (user, gate) = (cluster.client(0).await, Gate::new());
    cluster.provider.on("May I?", [Script::gated(["Yes."], &gate)]);
    let sent = user.send(&user.conversation("demo").await, "May I?").await;
    gate.reached(1).await;
    cluster.workers[doomed].kill().await;
    cluster.add_worker().await;
    gate.reached(2).await;
    gate.open();
    assert_eq!(user.finished(&sent.request).await["status"], "completed");
    assert!(near(spent(&cluster, "everyone/*").await, (RESERVED + PAID) as f64));
    refused(&asked(&user, "demo", "And now?").await, "the budget of this service");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_price_counts_soon_after_it_is_set_or_removed() {
    let mut cluster = options().start().await;
    let admin = admin(&cluster).await;
    cluster.add_worker().await;
    let user = cluster.client(0).await;
    assert!(
        near(cost_of(&cluster, &asked(&user, "demo", "May I?").await).await, 0.0),
        "what has no price costs nothing"
    );
    let (any, own) = ("prices/openai", "prices/openai?model=gpt-4.1-mini");
    for (path, completion_price, expected) in
        [(any, Some(1e6), 1.0), (own, Some(5e5), 0.5), (own, None, 1.0), (any, None, 0.0)]
    {
        match completion_price {
            Some(price) => set(&admin, path, &json!({"prompt_price": 0, "completion_price": price})).await,
            None => _ = admin.delete(&format!("/api/v1/admin/{path}")).await.expect(204),
        }
        let expected = PAID as f64 * expected;
        within(&format!("a reply that costs {expected}"), async {
            while !near(cost_of(&cluster, &asked(&user, "demo", "May I?").await).await, expected) {}
        })
        .await;
    }
    cluster.assert_quiet().await;
}

async fn cost_of(cluster: &Cluster, request: &Value) -> f64 {
    let cost = "select cost from requests where id = $1::uuid";
    sqlx::query_scalar(cost).bind(request["id"].as_str()).fetch_one(&cluster.db).await.unwrap()
}
