//! PostgreSQL is cut off the network, or dies and its standby takes over.

use std::time::Instant;

use futures::future::join_all;
use reqwest::Method;
use serde_json::json;
use troupe_tests::{
    Answer, Client, ClusterOptions, Gate, Replication, Script, provider::default_reply, provider::words_of, within,
};

/// What is logged while no PostgreSQL is there.
const OUTAGE: [&str; 3] = ["could not finish", "did not answer", "PostgreSQL"];

fn short_timeouts() -> ClusterOptions {
    ClusterOptions::default()
        .set("TROUPE_DATABASE__RESPONSE_TIMEOUT", "1s")
        .set("TROUPE_DATABASE__ACQUIRE_TIMEOUT", "1s")
        .set("TROUPE_WORKER__LEASE", "2s")
        .set("TROUPE_QUEUE__REDISPATCH_AFTER", "1s")
}

/// A message with an `Idempotency-Key`, as a client sends that may have to send it again.
async fn send_with_key(user: &Client, conversation: &str, content: &str, key: &str) -> Answer {
    let path = format!("/api/v1/conversations/{conversation}/messages");
    let call = user.call(Method::POST, &path).header("idempotency-key", key).json(&json!({ "content": content }));
    user.answer(call).await
}

/// Sends the same until it is accepted; returns the request.
async fn send_until_accepted(user: &Client, conversation: &str, content: &str, key: &str) -> String {
    within("an accepted message", async {
        loop {
            let answer = send_with_key(user, conversation, content, key).await;
            if answer.status == 202 {
                return answer.body["request"]["id"].as_str().expect("an id").to_owned();
            }
            assert_eq!(answer.body["retryable"], true, "{}", answer.text);
        }
    })
    .await
}

/// No packet comes, and no reset: only our own time limit can tell.
#[tokio::test]
async fn a_postgresql_that_is_cut_off_holds_nothing_up_and_doubles_nothing() {
    let cluster = short_timeouts().postgres_behind_relay().servers(1).workers(1).start().await;
    let user = cluster.client(0).await;
    let conversations = join_all((0..4).map(|_| user.conversation("demo"))).await;
    assert_eq!(user.ask(&conversations[0], "Before").await, default_reply("Before"));
    let gate = Gate::new();
    cluster.provider.on("In the middle", [Script::gated(["One ", "two"], &gate), Script::words(3)]);
    let running = user.send(&conversations[0], "In the middle").await;
    gate.reached(1).await;

    // What is stored and not answered is the harder case: it must not be stored again.
    cluster.relay().cut_answers();
    let began = Instant::now();
    for (number, refused) in join_all(conversations.iter().enumerate().map(async |(number, conversation)| {
        (number, send_with_key(&user, conversation, &format!("Cut {number}"), &format!("cut-{number}")).await)
    }))
    .await
    {
        assert_eq!(refused.problem(503)["retryable"], true, "{number}: {}", refused.text);
    }
    let refused_after = began.elapsed();
    cluster.relay().cut();
    gate.open();
    cluster.relay().restore();
    let began = Instant::now();
    let requests = join_all(conversations.iter().enumerate().map(async |(number, conversation)| {
        send_until_accepted(&user, conversation, &format!("Cut {number}"), &format!("cut-{number}")).await
    }))
    .await;
    println!("refused after {refused_after:?}; accepted again {:?} after the way was free", began.elapsed());

    for (number, request) in requests.iter().enumerate() {
        assert_eq!(user.reply(request).await, default_reply(&format!("Cut {number}")));
    }
    let reply = user.reply(&running.request).await;
    assert!(["One two".to_owned(), words_of(3)].contains(&reply), "{reply}");
    let doubled =
        "select count(*) from (select 1 from messages where role = 'user' group by content having count(*) > 1) d";
    assert_eq!(cluster.number(doubled).await, 0);
    assert_eq!(cluster.count("requests").await, 6);
    cluster.assert_quiet_but_for(&OUTAGE).await;
}

/// The primary is not dead, only out of reach: every connection to it looks as well as before.
#[tokio::test]
async fn when_the_primary_is_cut_off_the_promoted_standby_is_found() {
    let options = short_timeouts().replicated(Replication::Synchronous).postgres_behind_relay();
    let mut cluster = options.servers(1).workers(1).start().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    assert_eq!(user.ask(&conversation, "Before").await, default_reply("Before"));
    let gate = Gate::new();
    cluster.provider.on("In the middle", [Script::gated(["One ", "two"], &gate), Script::words(3)]);
    let running = user.send(&conversation, "In the middle").await;
    gate.reached(1).await;

    let began = Instant::now();
    cluster.fail_over().await;
    gate.open();
    let after = send_until_accepted(&user, &conversation, "After", "after").await;
    println!("accepted again {:?} after the primary was cut off", began.elapsed());
    assert_eq!(user.reply(&after).await, default_reply("After"));
    let reply = user.reply(&running.request).await;
    assert!(["One two".to_owned(), words_of(3)].contains(&reply), "{reply}");
    assert_eq!(user.messages(&conversation).await.len(), 6);
    cluster.assert_quiet_but_for(&OUTAGE).await;
}

/// What the standby had not got is gone, whatever was answered; all the rest is as it must be.
#[tokio::test]
async fn what_an_asynchronous_standby_has_not_got_is_lost_and_nothing_else() {
    let mut cluster = short_timeouts().replicated(Replication::Asynchronous).servers(1).workers(1).start().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    assert_eq!(user.ask(&conversation, "Kept").await, default_reply("Kept"));
    cluster.replicated().stop_replication().await;
    for number in 0..3 {
        assert_eq!(user.ask(&conversation, &format!("Lost {number}")).await, default_reply(&format!("Lost {number}")));
    }
    let gate = Gate::new();
    cluster.provider.on("Running", [Script::gated(["Half "], &gate)]);
    let running = user.send(&conversation, "Running").await;
    gate.reached(1).await;

    let began = Instant::now();
    cluster.fail_over().await;
    gate.open();
    let again = send_until_accepted(&user, &conversation, "Again", "again").await;
    println!(
        "accepted again {:?} after the primary was killed; lost: 4 of 5 messages accepted before",
        began.elapsed()
    );
    assert_eq!(user.reply(&again).await, default_reply("Again"));
    let told: Vec<_> = user.messages(&conversation).await.into_iter().map(|(_, content)| content).collect();
    assert_eq!(told, ["Kept".to_owned(), default_reply("Kept"), "Again".to_owned(), default_reply("Again")]);
    assert_eq!(user.get(&format!("/api/v1/requests/{}", running.request)).await.status, 404);
    cluster.assert_quiet_but_for(&OUTAGE).await;
}
