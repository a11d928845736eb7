//! A user ends a request: it is over everywhere, for good, and what was shown is kept.

use reqwest::Method;
use serde_json::{Value, json};
use troupe_tests::{Client, Gate, Script, Signal, provider::default_reply, transcript::types};

use crate::{cluster, small_cluster, small_cluster_of_processes};

async fn cancel(user: &Client, request: &str) -> Value {
    user.answer(user.call(Method::POST, &format!("/api/v1/requests/{request}/cancel"))).await.expect(200)
}

#[tokio::test]
async fn a_running_reply_ends_everywhere_with_what_was_shown() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let elsewhere = user.at(cluster.server(1));
    let (here, there) = (user.socket().await, elsewhere.socket().await);
    let gate = Gate::new();
    let conversation = user.conversation("demo").await;
    cluster.provider.on("Tell me", [Script::gated(["Half 🌊 ", "of it ", "and more"], &gate)]);
    let sent = user.send(&conversation, "Tell me").await;
    gate.release(2);
    for socket in [&here, &there] {
        socket.shown(&sent.request, "Half 🌊 of it ").await;
    }

    let cancelled = cancel(&elsewhere, &sent.request).await;
    assert_eq!((&cancelled["status"], &cancelled["reply"]["content"]), (&json!("cancelled"), &json!("Half 🌊 of it ")));
    for socket in [&here, &there] {
        let end = socket.ended(&sent.request).await;
        assert_eq!((&end["type"], &end["message"]), (&json!("request.cancelled"), &cancelled["reply"]));
    }
    // The worker learns of it at the next word, which nobody sees.
    gate.open();
    cluster.worker_logged("that it was overtaken", |entry| entry.to_string().contains("overtaken")).await;
    assert_eq!(cancel(&user, &sent.request).await, cancelled, "cancelling again changes nothing");
    let texts: Vec<_> = user.messages(&conversation).await.into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["Tell me", "Half 🌊 of it "]);
    for socket in [here, there] {
        assert_eq!(types(&socket.events(&sent.request)).iter().filter(|kind| **kind == "request.cancelled").count(), 1);
    }
    assert_eq!(user.ask(&conversation, "And now?").await, default_reply("And now?"));
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_waiting_request_ends_and_the_one_behind_it_has_its_turn() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let mut socket = user.socket().await;
    let gate = Gate::new();
    let conversation = user.conversation("demo").await;
    cluster.provider.on("First", [Script::gated(["One"], &gate)]);
    let first = user.send(&conversation, "First").await;
    let second = user.send(&conversation, "Second").await;
    let third = user.send(&conversation, "Third").await;
    gate.reached(1).await;
    socket.send(&json!({"type": "request.cancel", "ref": "mine", "request_id": second.request})).await;
    let state = socket.wait_for("the answer", |frame| frame["ref"] == "mine").await;
    assert_eq!((&state["type"], &state["request"]["status"]), (&json!("request.state"), &json!("cancelled")));
    assert_eq!(socket.ended(&second.request).await["message"], Value::Null);
    gate.open();
    for (sent, reply) in [(first, "One"), (third, &*default_reply("Third"))] {
        socket.ended(&sent.request).await;
        assert_eq!(socket.transcript(&sent.request).completed(), reply);
    }
    assert!(cluster.provider.calls_of("Second").is_empty());
    let nobodys = "00000000-0000-7000-8000-00000000000f";
    let other = cluster.client(0).await;
    for (who, request) in [(&user, nobodys), (&other, &second.request)] {
        let answer = who.answer(who.call(Method::POST, &format!("/api/v1/requests/{request}/cancel"))).await;
        assert_eq!(answer.problem(404)["code"], "not_found");
    }
    cluster.assert_quiet().await;
}

/// The worker that is at it cannot be asked; its end comes too late, and changes nothing.
#[tokio::test]
async fn a_frozen_worker_neither_holds_up_a_cancel_nor_undoes_it() {
    let cluster = small_cluster_of_processes().await;
    let user = cluster.client(0).await;
    let socket = user.socket().await;
    let gate = Gate::new();
    let conversation = user.conversation("demo").await;
    cluster.provider.on("Tell me", [Script::gated(["Frozen ", "words"], &gate)]);
    let sent = user.send(&conversation, "Tell me").await;
    gate.release(1);
    socket.shown(&sent.request, "Frozen ").await;
    cluster.workers[0].signal(Signal::Stop);
    assert_eq!(cancel(&user, &sent.request).await["reply"]["content"], "Frozen ");
    socket.ended(&sent.request).await;
    gate.open();
    cluster.workers[0].signal(Signal::Continue);
    assert_eq!(user.ask(&conversation, "And now?").await, default_reply("And now?"));
    let request = user.request(&sent.request).await;
    assert_eq!((&request["status"], &request["reply"]["content"]), (&json!("cancelled"), &json!("Frozen ")));
    assert_eq!(cluster.attempts_of(&sent.request).await, ["cancelled"]);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_message_can_interrupt_what_is_before_it() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let socket = user.socket().await;
    let gate = Gate::new();
    let conversation = user.conversation("demo").await;
    cluster.provider.on("Tell me", [Script::gated(["Long ", "story"], &gate)]);
    let first = user.send(&conversation, "Tell me").await;
    let second = user.send(&conversation, "And more").await;
    gate.release(1);
    socket.shown(&first.request, "Long ").await;

    let path = format!("/api/v1/conversations/{conversation}/messages");
    let rejected = user.post(&path, &json!({"content": "No hurry", "if_busy": "reject"})).await;
    assert_eq!(rejected.problem(409)["code"], "conversation_busy");
    let third = user.post(&path, &json!({"content": "Stop, this", "if_busy": "interrupt"})).await.expect(202);
    let third = third["request"]["id"].as_str().unwrap();
    assert_eq!(user.reply(third).await, default_reply("Stop, this"));
    for request in [&first.request, &second.request] {
        assert_eq!(socket.ended(request).await["type"], "request.cancelled");
    }
    gate.open();
    let texts: Vec<_> = user.messages(&conversation).await.into_iter().map(|(_, text)| text).collect();
    let expected = ["Tell me", "And more", "Stop, this", "Long ", &default_reply("Stop, this")];
    assert_eq!(
        {
            let mut texts = texts;
            texts.sort();
            texts
        },
        {
            let mut all = expected.map(str::to_owned).to_vec();
            all.sort();
            all
        }
    );
    // The model is told what was said, the broken-off reply included, in the order of the turns.
    let calls = cluster.provider.calls_of("Stop, this");
    let told: Vec<_> = calls[0].messages().into_iter().skip(1).map(|(_, text)| text).collect();
    assert_eq!(told, ["Tell me", "Long ", "And more", "Stop, this"]);
    let idle = user.post(&path, &json!({"content": "No hurry", "if_busy": "reject"})).await.expect(202);
    user.reply(idle["request"]["id"].as_str().unwrap()).await;
    cluster.assert_quiet().await;
}
