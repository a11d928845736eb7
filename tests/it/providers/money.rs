//! Money: what replies cost, and that no budget is overspent, however many spend from it at once.

use std::collections::HashMap;

use futures::future::join_all;
use serde_json::{Value, json};
use sqlx::PgPool;
use troupe_core::model::money::Scope;
use troupe_db::money::budgets::{self, Account, Change, Purse, Reserved, Wanted};
use troupe_tests::{Client, ClusterOptions, within};

use crate::operations::admin::admin;

const PRICES: &str = "/api/v1/admin/prices";
const BUDGETS: &str = "/api/v1/admin/budgets";

fn purse(scope: Scope, subject: &str, daily_limit: f64) -> Purse {
    Purse { account: Account { scope, subject: subject.to_owned() }, daily_limit }
}

fn near(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-6
}

/// What each account has spent today.
async fn spent(db: &PgPool) -> HashMap<(String, String), f64> {
    let today = "select scope, subject, spent from spending where day = (now() at time zone 'utc')::date";
    let rows: Vec<(String, String, f64)> = sqlx::query_as(today).fetch_all(db).await.unwrap();
    rows.into_iter().map(|(scope, subject, spent)| ((scope, subject), spent)).collect()
}

/// Reserves as many replies do at once, some alone and some together; returns what was granted, with its purses.
async fn reserve_at_once(db: &PgPool, seed: u64) -> Vec<(Wanted, Reserved)> {
    let mut random = fastrand::Rng::with_seed(seed);
    let batches: Vec<Vec<Wanted>> = (0..40)
        .map(|_| {
            let wanted = |random: &mut fastrand::Rng| {
                let mut purses = vec![
                    purse(Scope::User, &random.u8(0..5).to_string(), 12.0),
                    purse(Scope::Persona, &random.u8(0..3).to_string(), 20.0),
                    purse(Scope::Tier, "free", 45.0),
                    purse(Scope::Everyone, "*", 40.0),
                ];
                random.shuffle(&mut purses);
                purses.truncate(random.usize(1..=4));
                Wanted { amount: f64::from(random.u32(1..30)) / 10.0, purses }
            };
            (0..random.usize(1..4)).map(|_| wanted(&mut random)).collect()
        })
        .collect();
    let reserved = join_all(batches.iter().map(|batch| budgets::reserve(db, batch)));
    let reserved = within("the end of all reservations", reserved).await;
    let answers: Vec<_> = reserved.into_iter().flat_map(|reserved| reserved.expect("no deadlock")).collect();
    batches.into_iter().flatten().zip(answers).collect()
}

/// The sum of what was granted, by account.
fn total(granted: &[(Wanted, Reserved)], of: impl Fn(&Wanted) -> f64) -> HashMap<(String, String), f64> {
    let mut total = HashMap::new();
    for (wanted, _) in granted {
        for Purse { account, .. } in &wanted.purses {
            *total.entry((account.scope.name().to_owned(), account.subject.clone())).or_default() += of(wanted);
        }
    }
    total
}

fn same(one: &HashMap<(String, String), f64>, other: &HashMap<(String, String), f64>) -> bool {
    let is = |key, value: &f64| near(other.get(key).copied().unwrap_or_default(), *value);
    one.iter().all(|(key, value)| is(key, value))
}

#[tokio::test]
async fn what_is_reserved_at_once_never_exceeds_a_limit_and_is_settled_to_the_sum() {
    let cluster = ClusterOptions::default().servers(1).workers(0).start().await;
    let db = &cluster.db;
    for seed in 1..=3 {
        sqlx::query("truncate spending").execute(db).await.unwrap();
        let answers = reserve_at_once(db, seed).await;
        let (granted, refused): (Vec<_>, Vec<_>) =
            answers.into_iter().partition(|(_, reserved)| matches!(reserved, Reserved::On(_)));
        assert!(granted.len() > 10 && refused.len() > 10, "seed {seed}: {} and {}", granted.len(), refused.len());
        let stored = spent(db).await;
        assert!(same(&total(&granted, |wanted| wanted.amount), &stored), "seed {seed}: {stored:?}");
        for (wanted, _) in granted.iter().chain(&refused) {
            for Purse { account, daily_limit } in &wanted.purses {
                let spent = stored[&(account.scope.name().to_owned(), account.subject.clone())];
                assert!(spent <= daily_limit + 1e-6, "seed {seed}: {account:?} has spent {spent} of {daily_limit}");
            }
        }
        for (wanted, reserved) in &refused {
            let Reserved::Exhausted { purse, .. } = reserved else { panic!("{reserved:?}") };
            let Purse { account, daily_limit } = &wanted.purses[*purse];
            let spent = stored[&(account.scope.name().to_owned(), account.subject.clone())];
            assert!(spent + wanted.amount > *daily_limit, "seed {seed}: {account:?} could have paid {}", wanted.amount);
        }
        // Each costs a third of what was reserved.
        let settled = granted.iter().map(|(wanted, reserved)| {
            let Reserved::On(day) = *reserved else { panic!("{reserved:?}") };
            let change =
                |purse: &Purse| Change { account: purse.account.clone(), day, amount: wanted.amount * -2.0 / 3.0 };
            let changes: Vec<_> = wanted.purses.iter().map(change).collect();
            async move { budgets::record_spending(db, &changes).await }
        });
        join_all(settled).await.into_iter().for_each(|settled| settled.expect("no deadlock"));
        let stored = spent(db).await;
        assert!(same(&total(&granted, |wanted| wanted.amount / 3.0), &stored), "seed {seed}: {stored:?}");
    }
    cluster.assert_quiet().await;
}

async fn set(admin: &Client, path: &str, body: &Value) {
    let call = admin.call(reqwest::Method::PUT, path).json(body);
    admin.answer(call).await.expect(204);
}

fn items(page: &Value, fields: &[&str]) -> Vec<Value> {
    let items = page["items"].as_array().expect("items").iter();
    items.map(|item| fields.iter().map(|field| item[field].clone()).collect()).collect()
}

#[tokio::test]
async fn prices_are_set_listed_and_removed() {
    let cluster = ClusterOptions::default().servers(1).workers(0).start().await;
    let admin = admin(&cluster).await;
    let price = |prompt: f64, completion: f64| json!({"prompt_price": prompt, "completion_price": completion});
    set(&admin, &format!("{PRICES}/openai?model=gpt-4.1-mini"), &price(9.0, 9.0)).await;
    set(&admin, &format!("{PRICES}/openai?model=gpt-4.1-mini"), &price(0.5, 2.0)).await;
    set(&admin, &format!("{PRICES}/openai"), &price(1.0, 4.0)).await;
    set(&admin, &format!("{PRICES}/gpu?model=meta-llama/Llama-3:8b"), &price(0.0, 0.1)).await;
    let fields = ["provider", "model", "prompt_price", "completion_price"];
    let all = [
        json!(["gpu", "meta-llama/Llama-3:8b", 0.0, 0.1]),
        json!(["openai", "*", 1.0, 4.0]),
        json!(["openai", "gpt-4.1-mini", 0.5, 2.0]),
    ];
    assert_eq!(items(&admin.get(PRICES).await.expect(200), &fields), all);
    let first = admin.get(&format!("{PRICES}?limit=1")).await.expect(200);
    assert_eq!(items(&first, &fields), all[..1]);
    let next = first["next"].as_str().expect("more").replace('/', "%2F");
    let rest = admin.get(&format!("{PRICES}?after={next}")).await.expect(200);
    assert_eq!((items(&rest, &fields).as_slice(), &rest["next"]), (&all[1..], &Value::Null));

    admin.delete(&format!("{PRICES}/gpu?model=meta-llama/Llama-3:8b")).await.expect(204);
    admin.delete(&format!("{PRICES}/openai")).await.expect(204);
    assert_eq!(items(&admin.get(PRICES).await.expect(200), &fields), all[2..]);
    assert_eq!(admin.delete(&format!("{PRICES}/openai")).await.problem(404)["code"], "not_found");

    let put = |path: &str, body: Value| admin.answer(admin.call(reqwest::Method::PUT, path).json(&body));
    let faults = [
        (format!("{PRICES}/Open%20AI"), price(1.0, 1.0), "provider"),
        (format!("{PRICES}/openai?model="), price(1.0, 1.0), "model"),
        (format!("{PRICES}/openai?model=a%20b"), price(1.0, 1.0), "model"),
        (format!("{PRICES}/openai?model={}", "m".repeat(201)), price(1.0, 1.0), "model"),
        (format!("{PRICES}/openai?model=%00"), price(1.0, 1.0), "model"),
        (format!("{PRICES}/openai?mode=x"), price(1.0, 1.0), "query"),
        (format!("{PRICES}/openai"), price(-0.1, 1.0), "prompt_price"),
        (format!("{PRICES}/openai"), price(1.0, 1e7), "completion_price"),
        (format!("{PRICES}/openai"), json!({"prompt_price": 1}), "completion_price"),
        (format!("{PRICES}/openai"), json!({"prompt_price": "1", "completion_price": 1}), "prompt_price"),
    ];
    for (path, body, field) in faults {
        let answer = put(&path, body).await;
        assert_eq!(answer.problem(422)["errors"][0]["field"], field, "{path}: {}", answer.text);
    }
    cluster.assert_quiet().await;
}

async fn make_persona(user: &Client, slug: &str) -> String {
    let body = json!({"slug": slug, "name": "Ada", "system_prompt": "You are Ada.", "visibility": "public"});
    let made = user.post("/api/v1/personas", &body).await.expect(201);
    made["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn budgets_are_set_listed_and_removed() {
    let cluster = ClusterOptions::default().servers(1).workers(0).start().await;
    let (admin, user) = (admin(&cluster).await, cluster.client(0).await);
    let id = user.user["id"].as_str().unwrap();
    let persona = make_persona(&user, "grandmother").await;
    let limit = |limit: f64| json!({ "daily_limit": limit });
    for (subject, daily_limit) in
        [("tier_user/free", 1.0), ("persona/grandmother", 7.0), ("tier/pro", 0.0), ("everyone/*", 100.0)]
    {
        set(&admin, &format!("{BUDGETS}/{subject}"), &limit(daily_limit)).await;
    }
    let mine = user.get("/api/v1/auth/me/budget").await.expect(200);
    assert_eq!((&mine["daily_limit"], &mine["spent"]), (&json!(1.0), &json!(0.0)), "what each user of the tier has");
    assert!(mine["renews_at"].as_str().is_some_and(|at| at.ends_with("T00:00:00Z")), "{mine}");
    set(&admin, &format!("{BUDGETS}/user/{id}"), &limit(9.0)).await;
    set(&admin, &format!("{BUDGETS}/user/{}", id.to_uppercase()), &limit(3.0)).await;
    let wanted =
        Wanted { amount: 0.25, purses: vec![purse(Scope::User, id, 3.0), purse(Scope::Persona, &persona, 7.0)] };
    budgets::reserve(&cluster.db, &[wanted]).await.unwrap();
    let mine = user.get("/api/v1/auth/me/budget").await.expect(200);
    assert_eq!((&mine["daily_limit"], &mine["spent"]), (&json!(3.0), &json!(0.25)), "the user's own");

    let fields = ["scope", "subject", "daily_limit", "spent"];
    let rest =
        [json!(["tier", "pro", 0.0, 0.0]), json!(["tier_user", "free", 1.0, null]), json!(["user", id, 3.0, 0.25])];
    let mut all = vec![json!(["everyone", "*", 100.0, 0.0]), json!(["persona", "grandmother", 7.0, 0.25])];
    all.extend(rest);
    assert_eq!(items(&admin.get(BUDGETS).await.expect(200), &fields), all);
    let first = admin.get(&format!("{BUDGETS}?limit=2")).await.expect(200);
    assert_eq!(items(&first, &fields), all[..2]);
    let next = first["next"].as_str().expect("more").replace('/', "%2F");
    assert_eq!(items(&admin.get(&format!("{BUDGETS}?after={next}")).await.expect(200), &fields), all[2..]);

    // A persona that is gone leaves a budget that harms nobody: not even one that takes its slug.
    user.delete("/api/v1/personas/grandmother").await.expect(204);
    all[1] = json!(["persona", persona, 7.0, 0.25]);
    assert_eq!(items(&admin.get(BUDGETS).await.expect(200), &fields), all);
    make_persona(&user, "grandmother").await;
    assert_eq!(items(&admin.get(BUDGETS).await.expect(200), &fields), all);
    assert_eq!(admin.delete(&format!("{BUDGETS}/persona/grandmother")).await.problem(404)["code"], "not_found");
    for subject in [format!("persona/{persona}"), format!("user/{id}"), "tier/pro".to_owned(), "everyone/*".to_owned()]
    {
        admin.delete(&format!("{BUDGETS}/{subject}")).await.expect(204);
    }
    assert_eq!(items(&admin.get(BUDGETS).await.expect(200), &fields), [json!(["tier_user", "free", 1.0, null])]);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn budgets_of_nothing_are_refused() {
    let cluster = ClusterOptions::default().servers(1).workers(0).start().await;
    let (admin, user) = (admin(&cluster).await, cluster.client(0).await);
    let put = |client: &Client, path: &str, body: Value| {
        let (client, call) =
            (client.clone(), client.call(reqwest::Method::PUT, &format!("{BUDGETS}/{path}")).json(&body));
        async move { client.answer(call).await }
    };
    for path in [
        "galaxy/milky-way",
        "user/grace",
        "user/00000000-0000-7000-8000-00000000000f",
        "tier/gold",
        "tier_user/%00",
        "persona/nobody",
        "persona/00000000-0000-7000-8000-000000000001",
        "everyone/else",
    ] {
        let answer = put(&admin, path, json!({"daily_limit": 1})).await;
        assert_eq!(answer.problem(404)["code"], "not_found", "{path}");
        assert_eq!(admin.delete(&format!("{BUDGETS}/{path}")).await.problem(404)["code"], "not_found", "{path}");
    }
    for body in [json!({}), json!({"daily_limit": -1}), json!({"daily_limit": 1e13}), json!({"daily_limit": null})] {
        let answer = put(&admin, "persona/demo", body).await;
        assert_eq!(answer.problem(422)["errors"][0]["field"], "daily_limit", "{}", answer.text);
    }
    for path in [PRICES, BUDGETS] {
        assert_eq!(user.get(path).await.problem(403)["code"], "forbidden");
    }
    assert_eq!(put(&user, "persona/demo", json!({"daily_limit": 1})).await.problem(403)["code"], "forbidden");
    assert_eq!(cluster.count("budgets").await, 0);
    cluster.assert_quiet().await;
}
