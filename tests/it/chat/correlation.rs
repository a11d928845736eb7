//! One id leads from a call to its events, its errors and every log line of it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::cluster;

#[tokio::test]
async fn the_callers_id_is_in_the_answer_the_events_and_the_logs() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let socket = user.at(cluster.server(1)).socket().await;
    let conversation = user.conversation("demo").await;
    let path = format!("/api/v1/conversations/{conversation}/messages");
    let call =
        user.call(Method::POST, &path).header("x-request-id", "from-the-caller-1").json(&json!({"content": "Hello"}));
    let answer = user.answer(call).await;
    assert_eq!(answer.header("x-request-id"), "from-the-caller-1");
    let request = answer.expect(202)["request"]["id"].as_str().unwrap().to_owned();

    let of_request =
        |kind: &'static str, request: String| move |e: &Value| e["type"] == kind && e["request_id"] == *request;
    let started = socket.wait_for("request.started", of_request("request.started", request.clone())).await;
    assert_eq!(started["correlation_id"], "from-the-caller-1");
    let ended = socket.ended(&request).await;
    assert_eq!(ended["correlation_id"], "from-the-caller-1");

    let of_call = |entry: &Value| entry["span"]["correlation_id"] == "from-the-caller-1";
    cluster.worker_logged("the caller's id", of_call).await;
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn every_call_has_an_id_and_a_trace_is_honoured() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let anonymous = user.with_token("");
    let mut made = std::collections::HashSet::new();
    for path in ["/health", "/ready", "/", "/docs", "/openapi.json", "/nowhere", "/api/v1/conversations"] {
        let id = anonymous.get(path).await.header("x-request-id").to_owned();
        assert!(!id.is_empty() && made.insert(id), "{path} has an id of its own");
    }
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let call = anonymous.call(Method::GET, "/health").header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"));
    assert_eq!(anonymous.answer(call).await.header("x-request-id"), trace);
    // What could break a log line or a header is not taken over.
    for bad in ["with blank", "x\ty", &"x".repeat(200), "<script>", "é"] {
        let value = reqwest::header::HeaderValue::from_bytes(bad.as_bytes()).unwrap();
        let answer = anonymous.answer(anonymous.call(Method::GET, "/nowhere").header("x-request-id", value)).await;
        assert_ne!(answer.problem(404)["request_id"], bad);
    }
    let call = user.call(Method::GET, "/api/v1/requests/none").header("x-request-id", "of-an-error");
    assert_eq!(user.answer(call).await.problem(404)["request_id"], "of-an-error");
    cluster.assert_quiet().await;
}

/// What people write to each other is nobody's business but theirs.
#[tokio::test]
async fn no_log_tells_what_was_said() {
    let cluster =
        troupe_tests::ClusterOptions::default().set("RUST_LOG", "debug,hyper=info,fred=info,sqlx=info").start().await;
    let user = cluster.client(0).await;
    let mut socket = user.socket().await;
    let conversation = user.conversation("demo").await;
    cluster.provider.on(
        "Whisper-question",
        [troupe_tests::Script::text("Whisper-begun ").then_cut(), troupe_tests::Script::text("Whisper-answer")],
    );
    user.ask(&conversation, "Whisper-question").await;
    socket.send(&json!({"type": "message.send", "ref": "Whisper-ref", "conversation_id": conversation, "content": "Whisper-sent"})).await;
    let accepted = socket.wait_for("message.accepted", |frame| frame["type"] == "message.accepted").await;
    socket.ended(accepted["request"]["id"].as_str().unwrap()).await;
    user.post(&format!("/api/v1/conversations/{conversation}/messages"), &json!({"content": 5, "Whisper-field": 1}))
        .await
        .problem(422);
    let logs = cluster.logs();
    let telling: Vec<_> = logs.lines().filter(|line| line.contains("Whisper")).collect();
    assert!(telling.is_empty(), "{}", telling.join("\n"));
    cluster.assert_quiet().await;
}
