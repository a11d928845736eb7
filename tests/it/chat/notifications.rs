//! Web Push: browsers are told of a reply while nobody looks, each in a message that it alone can read.

use serde_json::{Value, json};
use troupe_tests::{
    Client, Cluster, ClusterOptions, Script,
    push_service::{PushService, is_public_key},
    within,
};

const PATH: &str = "/api/v1/push/subscriptions";

fn options() -> ClusterOptions {
    ClusterOptions::default()
        .set("TROUPE_OUTGOING__ALLOW_NETWORKS", "127.0.0.0/8")
        .set("TROUPE_OUTGOING__PORTS", "")
        .set("TROUPE_PUSH__CONTACT", "mailto:operator@example.org")
}

async fn subscribed(cluster: &Cluster) -> i64 {
    cluster.number("select count(*) from push_subscriptions").await
}

/// Polls until a request has ended: a call that waits for it, like a socket, is somebody who looks.
async fn ended(user: &Client, request: &str) {
    within("an end", async { while user.request(request).await["finished_at"].is_null() {} }).await;
}

async fn asked(user: &Client, question: &str) -> (String, String) {
    let conversation = user.conversation("demo").await;
    let request = user.send(&conversation, question).await.request;
    ended(user, &request).await;
    (conversation, request)
}

#[tokio::test]
async fn browsers_are_told_of_a_reply_while_nobody_looks() {
    let cluster = options().start().await;
    let service = PushService::start().await;
    let user = cluster.client(0).await;
    let keys = [0, 1].map(|server| {
        let there = user.at(cluster.server(server));
        async move { there.get("/api/v1/push/key").await.expect(200)["public_key"].clone() }
    });
    let keys: Vec<Value> = futures::future::join_all(keys).await;
    assert_eq!(keys[0], keys[1], "one key for all servers");
    let key = keys[0].as_str().expect("a key");
    assert!(is_public_key(key), "{key}");
    for browser in ["phone", "laptop"] {
        user.put(PATH, &service.subscribe(browser)).await.expect(204);
    }

    cluster.provider.on("Are you there?", [Script::text("Yes, I am.")]);
    let (conversation, request) = asked(&user, "Are you there?").await;
    let told = service.told(2).await;
    let mut browsers: Vec<_> = told.iter().map(|told| told.browser.as_str()).collect();
    browsers.sort_unstable();
    assert_eq!(browsers, ["laptop", "phone"]);
    for notification in &told {
        assert_eq!(
            notification.text,
            json!({"type": "reply.completed", "conversation_id": conversation, "request_id": request, "persona": "Ada",
                   "excerpt": "Yes, I am."})
        );
        assert!(notification.authorization.starts_with("vapid t=ey"), "{}", notification.authorization);
        assert!(notification.authorization.ends_with(&format!(", k={key}")), "{}", notification.authorization);
    }
    // The service does not know them any more: they are forgotten.
    asked(&user, "Still there?").await;
    within("no browsers", async { while subscribed(&cluster).await > 0 {} }).await;
    cluster.assert_quiet().await;
}

async fn asked_in_passing(user: &Client, question: &str) {
    let temporary = json!({"persona": "demo", "temporary": true});
    let temporary = user.post("/api/v1/conversations", &temporary).await.expect(201);
    let request = user.send(temporary["id"].as_str().expect("an id"), question).await.request;
    ended(user, &request).await;
}

#[tokio::test]
async fn nobody_is_told_of_what_was_seen_or_is_temporary() {
    // One that writes one reply at a time begins the next when it has seen to who is to be told of the last.
    let cluster = options().workers(1).set("TROUPE_WORKER__CONCURRENCY", "1").start().await;
    let service = PushService::start().await;
    let user = cluster.client(0).await;
    user.put(PATH, &service.subscribe("phone")).await.expect(204);
    let socket = user.at(cluster.server(1)).socket().await;
    asked(&user, "Seen").await;
    asked_in_passing(&user, "Begun after that").await;
    drop(socket);
    let channels = format!("{}:*:events", cluster.redis_prefix());
    let look = async || cluster.redis(&["PUBSUB", "CHANNELS", &channels]).await;
    within("nobody who looks", async { while look().await != redis::Value::Array(Vec::new()) {} }).await;
    asked_in_passing(&user, "Secret").await;
    // A failure is told, too; and it is the first that is.
    cluster.provider.on("Fail", [Script::error(400)]);
    let (_, failed) = asked(&user, "Fail").await;
    let told = service.told(1).await;
    assert_eq!((&told[0].text["type"], &told[0].text["request_id"]), (&json!("request.failed"), &json!(failed)));
    assert_eq!(service.calls(), 1);
}

#[tokio::test]
async fn a_push_service_that_fails_is_called_again_and_holds_nothing_up() {
    let cluster = options().start().await;
    let service = PushService::start().await;
    let user = cluster.client(0).await;
    user.put(PATH, &service.subscribe("phone")).await.expect(204);
    service.refuse([500, 429]);
    asked(&user, "One").await;
    assert_eq!(service.told(1).await[0].text["type"], "reply.completed");
    assert_eq!(service.calls(), 3);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn what_is_no_browser_is_refused_by_name_and_nothing_is_stored() {
    let cluster = crate::small_cluster().await;
    let service = PushService::start().await;
    let user = cluster.client(0).await;
    let good = service.subscribe("phone");
    for (pointer, value, field) in [
        ("/endpoint", json!("ftp://example.org/x"), "endpoint"),
        ("/endpoint", json!("http://127.0.0.1/x"), "endpoint"),
        ("/endpoint", json!(""), "endpoint"),
        ("/keys/p256dh", json!("BAAA"), "keys.p256dh"),
        ("/keys/auth", json!("not base64!"), "keys.auth"),
    ] {
        let mut body = good.clone();
        body["endpoint"] = json!("https://push.example.org/send/x");
        *body.pointer_mut(pointer).expect("a field") = value.clone();
        let refused = user.put(PATH, &body).await;
        assert_eq!(refused.problem(422)["errors"][0]["field"], field, "{value}");
    }
    assert_eq!(subscribed(&cluster).await, 0);

    // Whoever signs in there next is told, and nobody else.
    let mut body = good;
    body["endpoint"] = json!("https://push.example.org/send/x");
    let next = cluster.client(0).await;
    user.put(PATH, &body).await.expect(204);
    next.put(PATH, &body).await.expect(204);
    assert_eq!(subscribed(&cluster).await, 1);
    let gone = json!({"endpoint": body["endpoint"]});
    let delete = async |who: &Client| who.answer(who.call(reqwest::Method::DELETE, PATH).json(&gone)).await;
    delete(&user).await.problem(404);
    delete(&next).await.expect(204);
    assert_eq!(subscribed(&cluster).await, 0);
}
