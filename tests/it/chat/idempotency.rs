//! A call made again under the same key does what it did, and answers what it answered.

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use troupe_tests::{Answer, Client, Gate, Script};

use crate::{cluster, small_cluster};

async fn post(user: &Client, path: &str, key: &str, body: &Value) -> Answer {
    user.answer(user.call(Method::POST, path).header("idempotency-key", key).json(body)).await
}

/// The answer to a call that had been made before.
fn replayed(answer: &Answer, status: u16) -> &Value {
    assert_eq!((answer.status.as_u16(), answer.header("idempotency-replayed")), (status, "true"), "{}", answer.text);
    &answer.body
}

/// What an answer says but for the place in the queue, which is as of now.
fn said(body: &Value) -> (&Value, &Value) {
    (&body["request"], &body["message"])
}

#[tokio::test]
async fn a_message_is_sent_once_on_whatever_way_it_comes_again() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    let path = format!("/api/v1/conversations/{conversation}/messages");
    let message = json!({"content": "Once"});
    let gate = Gate::new();
    cluster.provider.on("Once", [Script::gated(["Yes"], &gate)]);

    // All at the same time, at both servers.
    let elsewhere = user.at(cluster.server(1));
    let calls = (0..16).map(|n| post(if n % 2 == 0 { &user } else { &elsewhere }, &path, "k-1", &message));
    let answers = join_all(calls).await;
    let first = answers.iter().find(|answer| answer.header("idempotency-replayed").is_empty()).expect("a first one");
    for answer in &answers {
        assert_eq!((answer.status.as_u16(), said(&answer.body)), (202, said(&first.body)), "{}", answer.text);
    }
    assert_eq!(answers.iter().filter(|answer| answer.header("idempotency-replayed") == "true").count(), 15);
    let request = first.body["request"]["id"].as_str().unwrap();
    gate.open();
    user.reply(request).await;
    assert_eq!(
        said(replayed(&post(&user, &path, "k-1", &message).await, 202)),
        said(&first.body),
        "also when it has ended"
    );

    let mut socket = elsewhere.socket().await;
    let again = json!({"type": "message.send", "ref": "a", "conversation_id": conversation, "content": "Once", "idempotency_key": "k-1"});
    socket.send(&again).await;
    let accepted = socket.wait_for("the answer", |frame| frame["ref"] == "a").await;
    assert_eq!((&accepted["type"], &accepted["request"]["id"]), (&json!("message.accepted"), &json!(request)));
    let waited = post(&user, &format!("{path}?wait=5"), "k-1", &message).await;
    assert_eq!(replayed(&waited, 200)["request"]["reply"]["content"], "Yes");
    assert_eq!(user.messages(&conversation).await.len(), 2);
    assert_eq!(cluster.provider.calls_of("Once").len(), 1);

    let other = post(&user, &path, "k-1", &json!({"content": "Something else"})).await;
    assert_eq!(other.problem(422)["code"], "idempotency_key_reused");
    let strange = post(&user, &path, "with spaces", &message).await;
    assert_eq!(strange.problem(422)["errors"][0]["field"], "Idempotency-Key");
    let others = cluster.client(0).await;
    let theirs = others.conversation("demo").await;
    let sent = post(&others, &format!("/api/v1/conversations/{theirs}/messages"), "k-1", &message).await;
    assert_eq!((sent.status.as_u16(), sent.header("idempotency-replayed")), (202, ""), "keys are each user's own");
    others.finished(sent.body["request"]["id"].as_str().unwrap()).await;
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn whatever_is_created_is_created_once() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let persona = json!({"slug": "grandmother", "name": "Grandmother", "system_prompt": "You are kind."});
    for (path, body) in
        [("/api/v1/conversations", json!({"persona": "demo", "title": "The sea"})), ("/api/v1/personas", persona)]
    {
        let answers = join_all((0..8).map(|_| post(&user, path, path, &body))).await;
        let made: Vec<_> = answers.iter().filter(|answer| answer.header("idempotency-replayed").is_empty()).collect();
        assert_eq!(made.len(), 1, "{path}");
        for answer in &answers {
            assert_eq!((answer.status.as_u16(), &answer.body), (201, &made[0].body), "{path}: {}", answer.text);
        }
    }
    assert_eq!(cluster.count("conversations").await, 1);
    // What failed has left no key behind.
    let path = "/api/v1/conversations";
    assert_eq!(post(&user, path, "k-2", &json!({"persona": "nobody"})).await.problem(422)["code"], "invalid");
    assert_eq!(post(&user, path, "k-2", &json!({"persona": "demo"})).await.status, 201);
    assert_eq!(
        post(&user, path, "k-2", &json!({"persona": "other"})).await.problem(422)["code"],
        "idempotency_key_reused"
    );
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn an_account_is_opened_once_for_whoever_knows_its_password() {
    let cluster = small_cluster().await;
    let anybody = Client::anonymous(cluster.server(0));
    let path = "/api/v1/auth/register";
    let account = |password: &str| json!({"email": "ada@example.com", "name": "Ada", "password": password});
    let first = post(&anybody, path, "k-1", &account("a long password")).await.expect(201);
    let again = post(&anybody, path, "k-1", &account("a long password")).await;
    assert_eq!(replayed(&again, 201)["user"], first["user"]);
    let user = anybody.with_token(again.body["access_token"].as_str().unwrap());
    assert_eq!(user.get("/api/v1/auth/me").await.expect(200)["id"], first["user"]["id"]);
    for (key, password) in [("k-1", "another password"), ("k-2", "a long password")] {
        assert_eq!(post(&anybody, path, key, &account(password)).await.problem(409)["code"], "email_taken");
    }
    cluster.assert_quiet().await;
}
