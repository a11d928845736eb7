//! What waits behind a running reply: listed with the reason, edited, moved and withdrawn, from any device.

use serde_json::{Value, json};
use troupe_tests::{Client, Cluster, Gate, Script, provider::default_reply};

use crate::{cluster, small_cluster};

/// A conversation whose first message is being replied to, with others behind it.
struct Line {
    user: Client,
    conversation: String,
    running: String,
    waiting: Vec<String>,
    gate: Gate,
}

impl Line {
    async fn of(cluster: &Cluster, waiting: &[&str]) -> Self {
        let user = cluster.client(0).await;
        let socket = user.socket().await;
        let conversation = user.conversation("demo").await;
        let gate = Gate::new();
        cluster.provider.on("First", [Script::gated(["Begun", " and done"], &gate)]);
        let running = user.send(&conversation, "First").await.request;
        gate.release(1);
        socket.shown(&running, "Begun").await;
        let mut requests = Vec::new();
        for content in waiting {
            requests.push(user.send(&conversation, content).await.request);
        }
        Self { user, conversation, running, waiting: requests, gate }
    }

    fn path(&self) -> String {
        format!("/api/v1/conversations/{}/queue", self.conversation)
    }

    async fn shown(&self) -> Vec<Value> {
        self.user.get(&self.path()).await.expect(200)["items"].as_array().expect("items").clone()
    }

    async fn texts(&self) -> Vec<String> {
        self.user.messages(&self.conversation).await.into_iter().map(|(_, text)| text).collect()
    }
}

#[tokio::test]
async fn what_waits_is_shown_with_the_reason() {
    let cluster = small_cluster().await;
    let line = Line::of(&cluster, &["Second", "Third"]).await;
    let shown = line.shown().await;
    let brief: Vec<_> = shown
        .iter()
        .map(|item| (item["message"]["content"].as_str().expect("text"), item["status"].as_str().expect("a status")))
        .collect();
    assert_eq!(brief, [("First", "in_progress"), ("Second", "queued"), ("Third", "queued")]);
    assert_eq!(shown[0].get("waiting"), None);
    assert_eq!(shown[1]["waiting"], json!({"reason": "conversation", "ahead": 1}));
    assert_eq!(shown[2]["waiting"], json!({"reason": "conversation", "ahead": 2}));
    assert_eq!([&shown[0]["can_change"], &shown[2]["can_change"]], [&json!(false), &json!(true)]);
    line.gate.open();
    line.user.reply(&line.waiting[1]).await;
    assert_eq!(line.shown().await, Vec::<Value>::new());
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn an_edited_message_is_asked_as_it_is_then() {
    let cluster = cluster().await;
    let line = Line::of(&cluster, &["Wrogn"]).await;
    let elsewhere = line.user.at(cluster.server(1));
    let socket = line.user.socket().await;
    let path = format!("/api/v1/requests/{}", line.waiting[0]);
    let edited = elsewhere.patch(&path, &json!({"content": "Right"})).await.expect(200);
    assert_eq!(edited["content"], "Right");
    let told = socket.wait_for("a word of it", |event| event["type"] == "conversation.updated").await;
    assert_eq!((&told["queue"], &told["conversation"]["id"]), (&json!(true), &json!(line.conversation)));
    line.gate.open();
    assert_eq!(line.user.reply(&line.waiting[0]).await, default_reply("Right"));
    assert!(cluster.provider.calls_of("Wrogn").is_empty());
    let late = elsewhere.patch(&path, &json!({"content": "Too late"})).await;
    assert_eq!(late.problem(409)["code"], "already_started");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn what_waits_is_asked_in_the_order_that_is_wanted() {
    let cluster = cluster().await;
    let line = Line::of(&cluster, &["A", "B", "C"]).await;
    let [a, b, c] = [0, 1, 2].map(|n| line.waiting[n].clone());
    let moved = line.user.put(&line.path(), &json!({"request_ids": [c, a, b]})).await.expect(200);
    assert_eq!(moved["items"][1]["request_id"], json!(c));
    for wrong in [json!([a, b]), json!([a, b, b]), json!([a, b, c, line.running]), json!([])] {
        let refused = line.user.put(&line.path(), &json!({"request_ids": wrong})).await;
        assert_eq!(refused.problem(409)["code"], "queue_changed", "{wrong}");
    }
    line.gate.open();
    line.user.reply(&b).await;
    let asked: Vec<_> =
        cluster.provider.calls().iter().map(|call| call.messages().last().expect("a question").1.clone()).collect();
    assert_eq!(asked, ["First", "C", "A", "B"]);
    let told: Vec<_> = cluster.provider.calls_of("B")[0].messages().into_iter().skip(1).map(|(_, text)| text).collect();
    let replies = ["C", "A"].map(default_reply);
    assert_eq!(told, ["First", "Begun and done", "C", &replies[0], "A", &replies[1], "B"]);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_withdrawn_message_is_gone() {
    let cluster = small_cluster().await;
    let line = Line::of(&cluster, &["Never mind", "Stay"]).await;
    let socket = line.user.socket().await;
    let path = format!("/api/v1/requests/{}/withdraw", line.waiting[0]);
    let stranger = cluster.client(0).await;
    stranger.post(&path, &json!({})).await.problem(404);
    assert_eq!(line.user.post(&path, &json!({})).await.expect(200)["content"], "Never mind");
    let end = socket.ended(&line.waiting[0]).await;
    assert_eq!((&end["type"], &end["message"]), (&json!("request.cancelled"), &Value::Null));
    line.user.post(&path, &json!({})).await.problem(404);
    line.gate.open();
    line.user.reply(&line.waiting[1]).await;
    assert_eq!(line.texts().await, ["First", "Stay", "Begun and done", &default_reply("Stay")]);
    let running = line.user.post(&format!("/api/v1/requests/{}/withdraw", line.running), &json!({})).await;
    assert_eq!(running.problem(409)["code"], "already_started");
    assert!(cluster.provider.calls_of("Never mind").is_empty());
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn edits_that_race_with_their_turn_are_asked_or_refused() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let there = user.at(cluster.server(1));
    for round in 0..20 {
        let conversation = user.conversation("demo").await;
        user.send(&conversation, &format!("Before {round}")).await;
        let waiting = user.send(&conversation, &format!("Old {round}")).await.request;
        let path = format!("/api/v1/requests/{waiting}");
        let edit = there.patch(&path, &json!({"content": format!("New {round}")})).await;
        let reply = user.reply(&waiting).await;
        let stored = user.messages(&conversation).await.into_iter().any(|(_, text)| text == format!("New {round}"));
        // What is stored is what was asked, whoever came first.
        assert_eq!(stored, edit.status == 200, "round {round}");
        let asked = if stored { format!("New {round}") } else { format!("Old {round}") };
        assert_eq!(reply, default_reply(&asked), "round {round}");
    }
    cluster.assert_quiet().await;
}
