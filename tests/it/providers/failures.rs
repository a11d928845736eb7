//! The model service fails in every way it can: each reply still comes exactly once, or its failure does.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::Executor;
use troupe_tests::{
    ClusterOptions, Gate, Script, Transcript,
    provider::{default_reply, words_of},
    transcript::types,
};

use crate::{cluster, operations::admin::admin, small_cluster};

#[tokio::test]
async fn a_service_that_fails_before_the_first_word_is_asked_again() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let socket = user.socket().await;
    let cases = [
        ("500 twice", vec![Script::error(500), Script::error(503), Script::words(5)]),
        ("408 and 429", vec![Script::error(408), Script::too_many(0), Script::words(5)]),
        ("cut before text", vec![Script::chunks([""]).then_cut(), Script::words(5)]),
        ("malformed before text", vec![Script::chunks([""]).then_malformed(), Script::words(5)]),
        ("nothing at all", vec![Script::chunks([""]), Script::words(5)]),
    ];
    let mut requests = Vec::new();
    for (name, scripts) in cases {
        let calls = scripts.len();
        cluster.provider.on(name, scripts);
        let conversation = user.conversation("demo").await;
        requests.push((name, calls, user.send(&conversation, name).await.request));
    }
    for (name, calls, request) in requests {
        socket.ended(&request).await;
        assert_eq!(socket.transcript(&request).completed(), words_of(5), "{name}");
        let events = socket.events(&request);
        let kinds = types(&events);
        assert!(!kinds.contains(&"reply.reset"), "{name}: there was nothing to take back: {kinds:?}");
        let started = kinds.iter().filter(|kind| **kind == "request.started").count();
        assert_eq!(started, calls, "{name}: each attempt is told of: {kinds:?}");
        assert_eq!(cluster.provider.calls_of(name).len(), calls, "{name}");
        let polled = user.request(&request).await;
        assert_eq!(polled["attempt"], calls, "{name}");
        assert_eq!(cluster.attempts_of(&request).await.len(), calls, "{name}");
    }
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn text_that_was_shown_before_a_failure_is_taken_back_first() {
    let options = ClusterOptions::default()
        .set("TROUPE_MODELS__TOKEN_GAP_TIMEOUT", "1s")
        .set("TROUPE_MODELS__FIRST_TOKEN_TIMEOUT", "2s");
    let cluster = options.start().await;
    let user = cluster.client(0).await;
    let socket = user.at(cluster.server(1)).socket().await;
    let cases = [
        ("cut", Script::text("A beginning 🌊 ").then_cut()),
        ("stalled", Script::text("A beginning 🌊 ").then_stall()),
        ("malformed", Script::text("A beginning 🌊 ").then_malformed()),
        ("an error in the stream", Script::text("A beginning 🌊 ").then_error_chunk()),
        ("an end without a reason", Script::text("A beginning 🌊 ").then_just_ends()),
    ];
    let mut requests = Vec::new();
    for (name, script) in cases {
        cluster.provider.on(name, [script, Script::words(9)]);
        let conversation = user.conversation("demo").await;
        requests.push((name, user.send(&conversation, name).await.request));
    }
    for (name, request) in requests {
        socket.ended(&request).await;
        assert_eq!(socket.transcript(&request).completed(), words_of(9), "{name}");
        assert_eq!(cluster.provider.calls_of(name).len(), 2, "{name}");
        let mut streamed = Transcript::strict(&request);
        let events = user.events(&request, None).await.rest().await;
        streamed.apply_all(events.iter().map(|event| &event.data));
        assert_eq!(streamed.completed(), words_of(9), "{name}");
        let first_of_second = events.iter().find(|event| event.id.starts_with("2-")).unwrap();
        let shown = events.iter().any(|event| event.id.starts_with("1-") && event.event == "reply.delta");
        assert!(!shown || first_of_second.event == "reply.reset", "{name}: {}", first_of_second.text);
        assert_eq!(user.reply(&request).await, words_of(9), "{name}");
    }
    cluster.assert_quiet().await;
}

/// The reset must reach whoever saw the text, and whoever comes between the attempts.
#[tokio::test]
async fn a_client_that_comes_between_two_attempts_is_right_as_well() {
    let cluster = ClusterOptions::default()
        .set("TROUPE_WORKER__RETRY_BASE", "2s")
        .set("TROUPE_WORKER__RETRY_CAP", "2s")
        .start()
        .await;
    let user = cluster.client(0).await;
    let stays = user.socket().await;
    let conversation = user.conversation("demo").await;
    let gate = Gate::new();
    cluster.provider.on("Tell me", [Script::gated(["Früher 🌊"], &gate).then_cut(), Script::words(6)]);
    let sent = user.send(&conversation, "Tell me").await;
    gate.release(1);
    stays.shown(&sent.request, "Früher 🌊").await;
    gate.open();
    cluster.worker_logged("a retry", |entry| entry["fields"]["message"] == "trying again later").await;
    let late = user.at(cluster.server(1)).socket().await;
    for socket in [&stays, &late] {
        socket.ended(&sent.request).await;
        assert_eq!(socket.transcript(&sent.request).completed(), words_of(6));
    }
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_service_that_is_silent_or_gone_is_asked_again_when_it_is_back() {
    let options = ClusterOptions::default()
        .set("TROUPE_MODELS__FIRST_TOKEN_TIMEOUT", "1s")
        .set("TROUPE_WORKER__MAX_ATTEMPTS", "1000")
        .set("TROUPE_WORKER__RETRY_CAP", "200ms");
    let mut cluster = options.start().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    cluster.provider.on("Silence", [Script::silence(), Script::words(3)]);
    assert_eq!(user.ask(&conversation, "Silence").await, words_of(3));

    cluster.provider.go_away().await;
    let sent = user.send(&conversation, "Anybody?").await;
    let retried = |entry: &Value| {
        entry["fields"]["message"] == "trying again later" && entry["span"]["request_id"] == *sent.request
    };
    cluster.worker_logged("a refused connection", retried).await;
    cluster.provider.come_back().await;
    assert_eq!(user.reply(&sent.request).await, default_reply("Anybody?"));
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_service_that_says_when_to_come_again_is_not_asked_earlier() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    cluster.provider.on("Not now", [Script::too_many(2), Script::words(3)]);
    assert_eq!(user.ask(&conversation, "Not now").await, words_of(3));
    let calls = cluster.provider.calls_of("Not now");
    let pause = calls[1].at - calls[0].at;
    assert!(pause >= Duration::from_secs(2), "asked again after {pause:?}, told to wait 2 s");
    let request = cluster.number("select max(attempt)::bigint from requests").await;
    assert_eq!(request, 2, "the pause is the queue's, not a call's that holds a slot");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_request_that_fails_for_good_says_so_everywhere_and_holds_nobody_up() {
    let cluster = ClusterOptions::default().set("TROUPE_WORKER__MAX_ATTEMPTS", "3").start().await;
    let user = cluster.client(0).await;
    let socket = user.socket().await;
    cluster.provider.on("Always 500", [Script::error(500)]);
    cluster.provider.on("Always cut", [Script::text("Some text ").then_cut()]);
    cluster.provider.on("Bad request", [Script::error(400)]);
    let cases = [("Always 500", 3, true), ("Always cut", 3, true), ("Bad request", 1, false)];
    let mut sent = Vec::new();
    for (question, ..) in cases {
        let conversation = user.conversation("demo").await;
        let failing = user.send(&conversation, question).await;
        let after = user.send(&conversation, "And then?").await;
        sent.push((failing, after, conversation));
    }
    for ((question, calls, retryable), (failing, after, conversation)) in cases.into_iter().zip(sent) {
        let event = socket.ended(&failing.request).await;
        assert_eq!(event["type"], "request.failed", "{question}");
        let polled = user.finished(&failing.request).await;
        assert_eq!((&polled["status"], &polled["attempt"]), (&json!("failed"), &json!(calls)), "{question}");
        assert_eq!(polled["error"], event["error"], "{question}: the same problem everywhere");
        for key in ["type", "title", "detail", "code", "request_id"] {
            assert!(event["error"][key].is_string(), "{question}: {key} in {event}");
        }
        assert_eq!(
            (&event["error"]["code"], &event["error"]["retryable"]),
            (&json!("provider_failed"), &json!(retryable))
        );
        assert_eq!(polled["reply"], Value::Null);
        assert_eq!(cluster.provider.calls_of(question).len(), calls, "{question}");
        _ = socket.transcript(&failing.request);
        assert_eq!(user.reply(&after.request).await, default_reply("And then?"), "{question}");
        let said: Vec<_> = user.messages(&conversation).await.into_iter().map(|(role, _)| role).collect();
        assert_eq!(said, ["user", "user", "assistant"], "{question}");
    }
    let waited = user.send_waiting(&user.conversation("demo").await, "Bad request", 30).await;
    assert_eq!((waited.status.as_u16(), &waited.body["request"]["status"]), (200, &json!("failed")));
    cluster.assert_quiet().await;
}

/// The first attempt breaks off with its text, a second one fits under the ceiling, a third would not.
#[tokio::test]
async fn retries_end_where_they_would_cost_too_much() {
    let options = ClusterOptions::default().servers(1).workers(0).set("TROUPE_WORKER__MAX_COST", "250");
    let mut cluster = options.start().await;
    let price = "insert into prices (provider, model, prompt_price, completion_price) values ('openai', '*', 1e6, 0)";
    sqlx::query(price).execute(&cluster.db).await.unwrap();
    cluster.add_worker().await;
    let user = cluster.client(0).await;
    let socket = user.socket().await;
    // The demo persona and the question are counted as some 100 tokens, each of which costs 1 here.
    cluster.provider.on("Dear", (0..4).map(|_| Script::text("A beginning ").then_cut()));
    let sent = user.send(&user.conversation("demo").await, "Dear").await;
    let end = socket.ended(&sent.request).await;
    assert_eq!((&end["type"], &end["error"]["code"]), (&json!("request.failed"), &json!("provider_failed")));
    let calls = cluster.provider.calls_of("Dear").len();
    assert!((2..4).contains(&calls), "{calls} attempts were paid for");
    let paid: f64 = sqlx::query_scalar("select cost from requests").fetch_one(&cluster.db).await.unwrap();
    assert!(paid > 0.0 && paid <= 250.0, "{paid} were paid");
    let told: f64 = sqlx::query_scalar("select sum(cost) from attempt_history").fetch_one(&cluster.db).await.unwrap();
    assert!((told - paid).abs() < 1e-6, "{told} by the attempts, {paid} by the request");
    cluster.provider.on("Cheap", [Script::error(500), Script::error(500), Script::words(3)]);
    let cheap = user.send(&user.conversation("demo").await, "Cheap").await;
    assert_eq!(user.reply(&cheap.request).await, words_of(3), "a call that was refused costs nothing");
    cluster.assert_quiet().await;
}

/// By every attempt, in order, over the API; admins see it attempt by attempt.
#[tokio::test]
async fn a_request_tells_who_was_asked() {
    let cluster = small_cluster().await;
    let (user, admin) = (cluster.client(0).await, admin(&cluster).await);
    cluster.provider.on("Who?", [Script::error(500), Script::text("I.")]);
    let sent = user.send(&user.conversation("demo").await, "Who?").await;
    assert_eq!(sent.answer.body["request"]["tries"], json!([]));
    let finished = user.finished(&sent.request).await;
    let tries = finished["tries"].as_array().expect("tries");
    let told: Vec<_> =
        tries.iter().map(|tried| ["attempt", "provider", "key", "outcome"].map(|of| tried[of].clone())).collect();
    let expected = |attempt: u32, outcome: &str| [json!(attempt), json!("openai"), json!("default"), json!(outcome)];
    assert_eq!(told, [expected(1, "failed"), expected(2, "completed")], "{finished}");
    assert_eq!(tries[1]["usage"], finished["usage"]);
    assert!(tries.iter().all(|tried| tried["ms"].is_u64() && tried["model"] == finished["model"]), "{finished}");
    assert!(finished.get("incomplete").is_none(), "{finished}");

    let seen = admin.get(&format!("/api/v1/admin/requests/{}/waiting", sent.request)).await.expect(200);
    for (attempt, outcome) in ["failed", "completed"].into_iter().enumerate() {
        assert_eq!(seen["attempts"][attempt]["tries"][0]["outcome"], outcome, "{seen}");
    }
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_reply_that_postgresql_refuses_fails_once_and_alone() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let refusal = "alter table messages add constraint refused check (content not like '%unspeakable%')";
    cluster.db.execute(refusal).await.expect("a constraint");
    cluster.provider.on("Say it", [Script::text("The unspeakable word")]);
    cluster.provider.on("Break", [Script::error_with(400, r#"{"error":{"message":"a zero \u0000 inside"}}"#)]);
    let (conversation, other) = (user.conversation("demo").await, user.conversation("demo").await);
    let refused = user.send(&conversation, "Say it").await.request;
    let next = user.send(&conversation, "Go on").await.request;
    let broken = user.send(&other, "Break").await.request;

    let ended = user.finished(&refused).await;
    assert_eq!((&ended["status"], &ended["error"]["code"]), (&json!("failed"), &json!("not_storable")), "{ended}");
    assert_eq!(cluster.provider.calls_of("Say it").len(), 1, "another attempt would have come to the same end");
    user.reply(&next).await;
    // What a service says of its failure may be just as strange.
    assert_eq!(user.finished(&broken).await["error"]["code"], "provider_failed");
    let told = "select count(*) from attempts where cause like '%a zero  inside%'";
    assert_eq!(cluster.number(told).await, 1);
    cluster.assert_quiet_but_for(&["PostgreSQL refuses what this request would end with"]).await;
}
