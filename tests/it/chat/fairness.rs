//! One user's flood is that user's own: others go by, and what is too much is refused in good form.

use futures::future::join_all;
use serde_json::json;
use troupe_tests::{ClusterOptions, Gate, Script, provider::default_reply, within};

#[tokio::test]
async fn a_flood_does_not_hold_up_another_users_first_message() {
    let options = ClusterOptions::default()
        .servers(1)
        .workers(1)
        .set("TROUPE_WORKER__CONCURRENCY", "1")
        .set("TROUPE_QUEUE__USER_AT_ONCE", "3")
        .set("TROUPE_QUEUE__USER_OPEN", "1000");
    let cluster = options.start().await;
    let (flooding, other) = (cluster.client(0).await, cluster.client(0).await);
    let gate = Gate::new();
    cluster.provider.on("In the way", [Script::gated(["At last."], &gate)]);
    let blocking = flooding.send(&flooding.conversation("demo").await, "In the way").await;
    gate.reached(1).await;
    let conversations = join_all((0..60).map(|_| flooding.conversation("demo"))).await;
    let flood = join_all(conversations.iter().enumerate().map(|(n, conversation)| {
        let flooding = &flooding;
        async move { flooding.send(conversation, &format!("Flood {n}")).await.request }
    }))
    .await;
    let conversation = other.conversation("demo").await;
    let first = other.send(&conversation, "My first").await;
    assert!(first.answer.body["place"]["position"].as_u64().is_some_and(|place| place <= 4), "{}", first.answer.text);
    gate.open();
    assert_eq!(other.reply(&first.request).await, default_reply("My first"));
    flooding.finished(&blocking.request).await;
    for request in &flood {
        flooding.finished(request).await;
    }
    let calls = cluster.provider.calls();
    let place = calls.iter().position(|call| call.question == "My first").expect("it was asked");
    // One was running and two were with the worker before it came; one of each may slip in between.
    assert!(place <= 5, "{place} messages of the flood went before another user's first");
    assert_eq!(calls.len(), 62);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn whoever_has_too_much_waiting_is_told_so_and_loses_nothing() {
    let options = ClusterOptions::default().servers(1).workers(1).set("TROUPE_QUEUE__USER_OPEN", "5");
    let cluster = options.start().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    let gate = Gate::new();
    cluster.provider.on("Message 0", [Script::gated(["One"], &gate)]);
    let mut accepted = Vec::new();
    for n in 0..5 {
        accepted.push(user.send(&conversation, &format!("Message {n}")).await.request);
    }
    let path = format!("/api/v1/conversations/{conversation}/messages");
    let refused = user.post(&path, &json!({"content": "One more"})).await;
    assert_eq!(
        (&refused.problem(429)["code"], &refused.body["retryable"]),
        (&json!("too_many_requests"), &json!(true))
    );
    assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));
    let other = cluster.client(0).await;
    assert_eq!(other.ask(&other.conversation("demo").await, "May I?").await, default_reply("May I?"));
    gate.open();
    for request in accepted {
        user.reply(&request).await;
    }
    assert_eq!(user.ask(&conversation, "And now?").await, default_reply("And now?"));
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn when_the_service_has_too_much_to_do_it_says_so_and_keeps_what_it_took() {
    let options = ClusterOptions::default().servers(1).workers(0).set("TROUPE_QUEUE__MAX_OPEN", "3");
    let mut cluster = options.start().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    let mut accepted = vec![user.send(&conversation, "Hello").await.request];
    for _ in 0..2 {
        accepted.push(user.send(&user.conversation("demo").await, "Hello").await.request);
    }
    // What is open is counted now and then; until it is, this one is refused for another reason.
    let path = format!("/api/v1/conversations/{conversation}/messages");
    let refused = within("a refusal", async {
        loop {
            let answer = user.post(&path, &json!({"content": "Hello", "if_busy": "reject"})).await;
            if answer.status != 409 {
                return answer;
            }
        }
    })
    .await;
    assert_eq!((&refused.problem(503)["code"], &refused.body["retryable"]), (&json!("overloaded"), &json!(true)));
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(cluster.count("requests").await, 3, "nothing of it is stored");
    cluster.add_worker().await;
    for request in &accepted {
        assert_eq!(user.reply(request).await, default_reply("Hello"));
    }
    cluster.assert_quiet().await;
}
