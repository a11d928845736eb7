//! Keys of programs and tokens of services: what they may, what they may not, and calls that are signed.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine, prelude::BASE64_STANDARD as BASE64};
use reqwest::Method;
use ring::{digest, hmac};
use serde_json::{Value, json};
use sqlx::Executor;
use troupe_tests::{Answer, Client, ClusterOptions, Signal, provider::default_reply, socket::End, within};

use crate::{cluster, operations::admin::admin};

async fn make(client: &Client, scopes: &[&str]) -> Value {
    client.post("/api/v1/api-keys", &json!({"name": "a program", "scopes": scopes})).await.expect(201)
}

fn with_key(client: &Client, made: &Value) -> Client {
    client.with_token(made["key"].as_str().expect("a key"))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_secs()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// The header as docs/API.md says that it is made.
fn signature(key: &str, method: &str, path: &str, time: u64, nonce: &str, body: &str) -> String {
    let body = hex(digest::digest(&digest::SHA256, body.as_bytes()).as_ref());
    let mac_key = hmac::Key::new(hmac::HMAC_SHA256, digest::digest(&digest::SHA256, key.as_bytes()).as_ref());
    let mac = hmac::sign(&mac_key, format!("{method}\n{path}\n{time}\n{nonce}\n{body}").as_bytes());
    format!(r#"Signature key="{}", time="{time}", nonce="{nonce}", hmac="{}""#, &key[..16], BASE64.encode(mac))
}

async fn patch_signed(client: &Client, path: &str, body: &str, header: &str) -> Answer {
    let call = client.with_token("").call(Method::PATCH, path).header("content-type", "application/json");
    client.answer(call.header("authorization", header).body(body.to_owned())).await
}

#[tokio::test]
async fn a_key_may_what_it_was_made_for() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let made = make(&user, &["chat:read", "chat:write"]).await;
    let key = made["key"].as_str().unwrap();
    assert!(key.starts_with(made["prefix"].as_str().unwrap()) && made["prefix"].as_str().unwrap().starts_with("trp_"));
    let program = with_key(&user, &made).at(cluster.server(1));
    let conversation = program.conversation("demo").await;
    assert_eq!(program.ask(&conversation, "Are you there?").await, default_reply("Are you there?"));
    let socket = program.socket().await;
    for (method, path, lacking) in [
        (Method::GET, "/api/v1/personas", "personas:read"),
        (Method::GET, "/api/v1/auth/me", "account:read"),
        (Method::GET, "/api/v1/api-keys", "account:read"),
        (Method::DELETE, "/api/v1/auth/sign-ins", "account:write"),
        (Method::GET, "/api/v1/admin/queue", "operations:read"),
    ] {
        let refused = program.answer(program.call(method, path)).await;
        assert_eq!(refused.problem(403)["code"], "out_of_scope", "{path}");
        assert!(refused.body["detail"].as_str().unwrap().contains(lacking), "{}", refused.text);
    }
    // What is shown of it afterwards is not enough to call with, and what is stored even less.
    let listed = user.get("/api/v1/api-keys").await;
    assert!(!listed.text.contains(key) && !cluster.logs().contains(key));
    let listed = &listed.expect(200)[0];
    assert!(listed["last_used_at"].is_string() && listed["prefix"] == made["prefix"], "{listed}");
    assert_eq!(cluster.count(&format!("api_keys where api_keys::text like '%{}%'", &key[17..])).await, 0);

    // Deleted, it is over, and what it had open.
    let path = format!("/api/v1/api-keys/{}", made["id"].as_str().unwrap());
    cluster.client(0).await.delete(&path).await.problem(404);
    assert_eq!(user.delete(&path).await.status, 204);
    assert_eq!(socket.closed().await, End::Code(4001));
    program.get("/api/v1/conversations").await.problem(401);
    user.delete(&path).await.problem(404);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_key_that_cannot_be_is_not_made() {
    let cluster = ClusterOptions::default().servers(1).workers(1).set("TROUPE_AUTH__KEYS_PER_USER", "2").start().await;
    let user = cluster.client(0).await;
    for (body, field) in [
        (json!({"name": "", "scopes": ["chat:read"]}), "name"),
        (json!({"name": "x", "scopes": []}), "scopes"),
        (json!({"name": "x", "scopes": ["chat:everything"]}), "scopes[0]"),
        (json!({"name": "x", "scopes": ["chat:read", "chat:read"]}), "scopes[1]"),
        (json!({"name": "x", "scopes": ["account:write"]}), "scopes[0]"),
        (json!({"name": "x", "scopes": ["chat:read", "operations:read"]}), "scopes[1]"),
        (json!({"name": "x", "scopes": ["chat:read"], "expires_in_days": 0}), "expires_in_days"),
        (json!({"name": "x", "scopes": ["chat:read"], "expires_in_days": 3651}), "expires_in_days"),
        (json!({"name": "x", "scopes": ["chat:read"], "forever": true}), "forever"),
    ] {
        let refused = user.post("/api/v1/api-keys", &body).await;
        assert_eq!(refused.problem(422)["errors"][0]["field"], field, "{body}");
    }
    assert_eq!(cluster.count("api_keys").await, 0);
    make(&user, &["chat:read"]).await;
    let made = make(&user, &["account:read"]).await;
    let third = user.post("/api/v1/api-keys", &json!({"name": "x", "scopes": ["chat:read"]})).await;
    assert_eq!(third.problem(409)["code"], "too_many_keys");
    // A key makes no keys, whatever it may.
    with_key(&user, &made).post("/api/v1/api-keys", &json!({"name": "x", "scopes": ["chat:read"]})).await.problem(403);
    let key = made["key"].as_str().unwrap();
    for wrong in [&key[..key.len() - 1], &format!("{key}x"), &key[..16], "trp_000000000000_x"] {
        user.with_token(wrong).get("/api/v1/auth/me").await.problem(401);
    }
    cluster.db.execute("update api_keys set expires_at = now() - interval '1 second'").await.unwrap();
    with_key(&user, &made).get("/api/v1/auth/me").await.problem(401);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_service_signs_what_is_sensitive_and_each_signature_counts_once() {
    let cluster = cluster().await;
    let admin = admin(&cluster).await;
    let token = json!({"name": "first", "scopes": ["tiers:read", "tiers:write"]});
    let body = json!({"name": "billing", "token": token});
    cluster.client(0).await.post("/api/v1/admin/services", &body).await.problem(403);
    let made = admin.post("/api/v1/admin/services", &body).await.expect(201);
    assert_eq!(admin.post("/api/v1/admin/services", &body).await.problem(409)["code"], "service_exists");
    let key = made["token"]["key"].as_str().unwrap();
    let service = admin.with_token(key);
    let path = "/api/v1/admin/tiers/free";
    service.get("/api/v1/admin/tiers").await.expect(200);
    let unsigned = service.patch(path, &json!({"queue_weight": 2})).await;
    assert_eq!(unsigned.problem(403)["code"], "signature_required");

    let body = r#"{"queue_weight":2}"#;
    let sign = |time: u64, nonce: &str| signature(key, "PATCH", path, time, nonce, body);
    let good = sign(now(), "first");
    assert_eq!(patch_signed(&admin, path, body, &good).await.expect(200)["queue_weight"], 2);
    // The same call again, on either server; another body, path or time under the same signature; one of long ago.
    for server in 0..2 {
        let again = patch_signed(&admin.at(cluster.server(server)), path, body, &good).await;
        assert!(again.problem(401)["detail"].as_str().unwrap().contains("made before"), "{}", again.text);
    }
    for refused in [
        patch_signed(&admin, path, r#"{"queue_weight":3}"#, &sign(now(), "second")).await,
        patch_signed(&admin, "/api/v1/admin/tiers/pro", body, &sign(now(), "third")).await,
        patch_signed(&admin, path, body, &sign(now(), "fourth").replace("fourth", "fifth")).await,
        patch_signed(&admin, path, body, &sign(now() - 400, "sixth")).await,
        patch_signed(&admin, path, body, &sign(now() + 400, "seventh")).await,
        patch_signed(&admin, path, body, "Signature key=\"trp_\"").await,
    ] {
        refused.problem(401);
    }
    let tiers = admin.get("/api/v1/admin/tiers").await.expect(200);
    let free = tiers.as_array().unwrap().iter().find(|tier| tier["name"] == "free").unwrap().clone();
    assert_eq!(free["queue_weight"], 2);

    // Another token takes over, the first goes; then the service does.
    let service_path = format!("/api/v1/admin/services/{}", made["service"]["id"].as_str().unwrap());
    let second = json!({"name": "second", "scopes": ["tiers:read"], "signs": true});
    let second = admin.post(&format!("{service_path}/tokens"), &second).await.expect(201);
    let first = format!("{service_path}/tokens/{}", made["token"]["id"].as_str().unwrap());
    assert_eq!(admin.delete(&first).await.status, 204);
    service.get("/api/v1/admin/tiers").await.problem(401);
    let signs = admin.with_token(second["key"].as_str().unwrap()).get("/api/v1/admin/tiers").await;
    assert!(signs.problem(401)["detail"].as_str().unwrap().contains("signed"), "{}", signs.text);
    let header = signature(second["key"].as_str().unwrap(), "GET", "/api/v1/admin/tiers", now(), "eighth", "");
    let call = admin.with_token("").call(Method::GET, "/api/v1/admin/tiers").header("authorization", &header);
    admin.answer(call).await.expect(200);
    assert_eq!(admin.get("/api/v1/admin/services").await.expect(200).as_array().map(Vec::len), Some(1));
    assert_eq!(admin.delete(&service_path).await.status, 204);
    admin.get(&format!("{service_path}/tokens")).await.problem(404);
    assert_eq!(cluster.count("api_keys").await, 0);
    // Nobody signs in as a service.
    let login = json!({"email": "billing@service.invalid", "password": "!"});
    admin.with_token("").post("/api/v1/auth/login", &login).await.problem(401);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn keys_count_without_redis() {
    let cluster = ClusterOptions::default().own_engines().servers(1).workers(1).start().await;
    let user = cluster.client(0).await;
    let made = make(&user, &["chat:read"]).await;
    cluster.freeze_redis(Signal::Stop);
    with_key(&user, &made).get("/api/v1/conversations").await.expect(200);
    cluster.freeze_redis(Signal::Continue);
    within("the server, after Redis came back", async { while user.get("/ready").await.body["redis"] != "ok" {} })
        .await;
    cluster.assert_quiet().await;
}
