//! Who may open an account, and what those may who have just opened one.

use serde_json::{Value, json};
use troupe_tests::{Answer, Client, Cluster, ClusterOptions, client::PASSWORD, provider::default_reply};

const INVITATIONS: &str = "/api/v1/admin/invitations";
const ADMIN: &str = "admin@example.com";

/// A server to which nobody but its admin has access yet.
async fn server(mode: &str) -> (Cluster, Client) {
    let options = ClusterOptions::default().servers(1).workers(0).set("TROUPE_REGISTRATION__MODE", mode);
    let options = options.set("TROUPE_ADMIN__EMAIL", ADMIN).set("TROUPE_ADMIN__PASSWORD", PASSWORD);
    let cluster = options.start().await;
    let admin = Client::sign_in(cluster.server(0), ADMIN, PASSWORD).await;
    (cluster, admin)
}

async fn register(cluster: &Cluster, email: &str, invitation: Option<&str>, key: &str) -> Answer {
    let mut body = json!({"email": email, "password": PASSWORD, "name": "Grace"});
    if let Some(code) = invitation {
        body["invitation"] = json!(code);
    }
    let caller = Client::anonymous(cluster.server(0));
    let call = caller.call(reqwest::Method::POST, "/api/v1/auth/register").header("idempotency-key", key);
    caller.answer(call.json(&body)).await
}

async fn invite(admin: &Client) -> (String, Value) {
    let made = admin.post(INVITATIONS, &json!({"note": "for Grace"})).await.expect(201);
    (made["code"].as_str().expect("a code").to_owned(), made)
}

#[tokio::test]
async fn where_registration_is_closed_nobody_opens_an_account() {
    let (cluster, admin) = server("closed").await;
    let (code, _) = invite(&admin).await;
    for invitation in [None, Some(code.as_str())] {
        let refused = register(&cluster, "grace@example.com", invitation, "k1").await;
        assert_eq!(refused.problem(403)["code"], "registration_closed");
    }
    assert_eq!(cluster.count("users").await, 1);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn an_invitation_opens_one_account() {
    let (cluster, admin) = server("invited").await;
    let refused = register(&cluster, "grace@example.com", None, "k1").await;
    assert_eq!(refused.problem(403)["code"], "invitation_required");
    let refused = register(&cluster, "grace@example.com", Some("guessed"), "k1").await;
    assert_eq!(refused.problem(403)["code"], "invitation_invalid");

    let (code, made) = invite(&admin).await;
    let first = register(&cluster, "grace@example.com", Some(&code), "k1").await;
    let user = first.expect(201)["user"]["id"].clone();
    // The same call made again is answered as the first time; another with the same code is refused.
    let again = register(&cluster, "grace@example.com", Some(&code), "k1").await;
    assert_eq!((again.header("idempotency-replayed"), again.status.as_u16()), ("true", 201));
    for (email, key) in [("grace@example.com", "k2"), ("ada@example.com", "k1")] {
        let refused = register(&cluster, email, Some(&code), key).await;
        assert_eq!(refused.problem(403)["code"], "invitation_invalid", "{email}");
    }
    // An address that is taken uses nothing up.
    let (second, _) = invite(&admin).await;
    assert_eq!(register(&cluster, "grace@example.com", Some(&second), "k3").await.problem(409)["code"], "email_taken");
    register(&cluster, "ada@example.com", Some(&second), "k4").await.expect(201);

    let listed = admin.get(INVITATIONS).await;
    assert!(!listed.text.contains(&code) && !listed.text.contains("digest"), "{}", listed.text);
    let listed = listed.expect(200);
    assert_eq!((&listed["items"][1]["id"], &listed["items"][1]["used_by"]), (&made["id"], &user));
    let noted = admin.get("/api/v1/admin/audit?verb=user.registered").await.expect(200);
    assert_eq!(noted["items"][1]["after"], json!({"invitation": made["id"]}));
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn an_invitation_counts_for_two_calls_at_once_only_once() {
    let (cluster, admin) = server("invited").await;
    let (code, _) = invite(&admin).await;
    let emails: Vec<_> = (0..6).map(|n| format!("user-{n}@example.com")).collect();
    let calls = emails.iter().map(|email| register(&cluster, email, Some(&code), "k"));
    let answers = futures::future::join_all(calls).await;
    let opened = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(opened, 1);
    for refused in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!(refused.problem(403)["code"], "invitation_invalid");
    }
    assert_eq!(cluster.count("users").await, 2);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn invitations_expire_and_are_taken_back() {
    let (cluster, admin) = server("invited").await;
    let (expired, made) = invite(&admin).await;
    let id = made["id"].as_str().unwrap();
    let expire = format!("update invitations set expires_at = now() where id = '{id}'");
    sqlx::query(sqlx::AssertSqlSafe(expire)).execute(&cluster.db).await.unwrap();
    let (deleted, made) = invite(&admin).await;
    let path = format!("{INVITATIONS}/{}", made["id"].as_str().unwrap());
    assert_eq!(admin.delete(&path).await.status, 204);
    admin.delete(&path).await.problem(404);
    for code in [expired, deleted] {
        let refused = register(&cluster, "grace@example.com", Some(&code), "k").await;
        assert_eq!(refused.problem(403)["code"], "invitation_invalid");
    }
    for wrong in [json!({"expires_in_days": 0}), json!({"expires_in_days": 366}), json!({"note": "n".repeat(201)})] {
        admin.post(INVITATIONS, &wrong).await.problem(422);
    }
    let (code, made) = invite(&admin).await;
    register(&cluster, "grace@example.com", Some(&code), "k").await.expect(201);
    let grace = Client::sign_in(cluster.server(0), "grace@example.com", PASSWORD).await;
    grace.get(INVITATIONS).await.problem(403);
    grace.post(INVITATIONS, &json!({})).await.problem(403);
    // One that was used is part of what happened.
    admin.delete(&format!("{INVITATIONS}/{}", made["id"].as_str().unwrap())).await.problem(404);
    cluster.assert_quiet().await;
}

/// What `models.allowed` does not name speaks to nobody whose tier says nothing else, whatever a persona's chain names.
#[tokio::test]
async fn new_users_have_the_models_that_are_allowed_by_default() {
    let options = ClusterOptions::default().servers(1).workers(1).set("TROUPE_MODELS__ALLOWED", "openai/small");
    let cluster = options.start().await;
    let user = cluster.client(0).await;
    for (slug, chain) in [("frugal", json!(["openai/large", "openai/small"])), ("dear", json!(["openai/large"]))] {
        let body = json!({"slug": slug, "name": "P", "system_prompt": "You are P.", "chain": chain});
        user.post("/api/v1/personas", &body).await.expect(201);
    }
    let frugal = user.conversation("frugal").await;
    assert_eq!(user.ask(&frugal, "Who are you?").await, default_reply("Who are you?"));
    assert_eq!(cluster.provider.calls_of("Who are you?")[0].body["model"], "small");
    let dear = user.conversation("dear").await;
    let sent = user.send(&dear, "And you?").await;
    let failed = user.finished(&sent.request).await;
    assert_eq!(failed["error"]["code"], "no_model_allowed", "{failed}");
    // A tier that says which counts alone.
    let allow = "update tiers set models = '{openai/large}' where name = 'free'";
    sqlx::query(allow).execute(&cluster.db).await.unwrap();
    assert_eq!(user.ask(&dear, "And now?").await, default_reply("And now?"));
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn new_users_have_the_budget_of_a_day_that_is_set() {
    let options = ClusterOptions::default().servers(1).workers(1).set("TROUPE_MODELS__DAILY_BUDGET", "0.000001");
    let cluster = options.start().await;
    let price = "insert into prices (provider, model, prompt_price, completion_price) values ('openai', '*', 10, 10)";
    sqlx::query(price).execute(&cluster.db).await.unwrap();
    let mut cluster = cluster;
    // Prices are read at start, and every few seconds.
    cluster.workers.remove(0).stop().await;
    cluster.add_worker().await;
    let user = cluster.client(0).await;
    assert_eq!(user.get("/api/v1/auth/me/budget").await.expect(200)["daily_limit"], 0.000_001);
    let conversation = user.conversation("demo").await;
    let sent = user.send(&conversation, "How much?").await;
    let failed = user.finished(&sent.request).await;
    assert_eq!(failed["error"]["code"], "budget_exhausted", "{failed}");
    cluster.assert_quiet().await;
}
