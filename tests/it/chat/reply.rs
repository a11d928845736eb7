//! A message is answered: on every transport, in order, to whom it belongs.

use futures::future::join_all;
use serde_json::{Value, json};
use troupe_tests::{
    Gate, Script, Transcript,
    leaks::PROVIDER_KEY,
    provider::{COMPLETION_TOKENS, PROMPT_TOKENS, default_reply, words_of},
    transcript::{cursor_of, types},
    within,
};

use crate::{cluster, small_cluster};

#[tokio::test]
async fn every_socket_of_the_user_hears_every_event_once_and_in_order() {
    let cluster = cluster().await;
    let here = cluster.client(0).await;
    let there = here.at(cluster.server(1));
    let stranger = cluster.client(1).await;
    let (first, second, theirs) = (here.socket().await, there.socket().await, stranger.socket().await);
    let conversation = here.conversation("demo").await;

    let sent = here.send(&conversation, "What is the sea?").await;
    first.ended(&sent.request).await;
    second.ended(&sent.request).await;

    // That it was queued may be overtaken by the news that it was started; everything else is there, to the byte.
    let bytes = |socket: &troupe_tests::Socket| {
        let frames = socket.frames().into_iter();
        let events = frames.filter(|f| f.json["request_id"] == *sent.request && f.json["type"] != "request.queued");
        events.map(|frame| frame.text).collect::<Vec<_>>()
    };
    assert_eq!(bytes(&first), bytes(&second));
    for socket in [&first, &second] {
        let events = socket.events(&sent.request);
        let mut kinds = types(&events);
        kinds.retain(|kind| *kind != "request.queued");
        kinds.dedup();
        assert_eq!(kinds, ["request.started", "reply.delta", "reply.completed"]);
        assert!(events.iter().all(|event| event["conversation_id"] == *conversation && event["at"].is_string()));
        assert!(events.iter().map(cursor_of).is_sorted());
        assert_eq!(socket.transcript(&sent.request).completed(), default_reply("What is the sea?"));
    }
    assert_eq!(theirs.frames().len(), 1, "a stranger hears nothing but hello");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn every_way_to_ask_for_a_reply_gives_the_same_one() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    let gate = Gate::new();
    let reply = words_of(9);
    cluster.provider.on("Tell me", [Script::gated([&reply], &gate)]);

    let sent = user.send(&conversation, "Tell me").await;
    assert_eq!(sent.answer.header("location"), format!("/api/v1/requests/{}", sent.request));
    assert_eq!(sent.answer.header("retry-after"), "1");
    let request = &sent.answer.body["request"];
    assert_eq!((&request["status"], &request["reply"]), (&json!("queued"), &Value::Null));
    assert_eq!(request["message_id"], *sent.message);
    assert_eq!(sent.answer.body["message"]["role"], "user");

    gate.reached(1).await;
    let running = user.get(&format!("/api/v1/requests/{}", sent.request)).await;
    assert_eq!((running.status.as_u16(), running.header("retry-after")), (200, "1"));
    assert_eq!((&running.body["status"], &running.body["attempt"]), (&json!("in_progress"), &json!(1)));

    // One long poll on each server, and one stream of events, all under way when the reply comes.
    let path = format!("/api/v1/requests/{}?wait=30", sent.request);
    let there = user.at(cluster.server(1));
    let stream = there.events(&sent.request, None).await;
    let release = async { gate.open() };
    let (here, elsewhere, events, ()) =
        within("the reply", async { tokio::join!(user.get(&path), there.get(&path), stream.rest(), release) }).await;

    assert_eq!(here.body["status"], "completed", "{}", here.text);
    assert_eq!(here.body["reply"]["content"], *reply);
    assert_eq!(here.body["usage"]["prompt_tokens"], PROMPT_TOKENS);
    assert_eq!(here.body["usage"]["completion_tokens"], COMPLETION_TOKENS);
    assert!(here.body["finished_at"].is_string());
    assert_eq!(here.header("retry-after"), "", "nothing to wait for");
    assert_eq!(here.body, elsewhere.body);
    for event in &events {
        assert_eq!(
            (event.id.as_str(), event.event.as_str()),
            (event.data["cursor"].as_str().unwrap(), event.data["type"].as_str().unwrap())
        );
    }
    let mut streamed = Transcript::strict(&sent.request);
    streamed.apply_all(events.iter().map(|event| &event.data));
    assert_eq!(streamed.completed(), reply);
    assert_eq!(streamed.end.unwrap()["message"], here.body["reply"], "the same message on every transport");
    assert_eq!(user.messages(&conversation).await[1], ("assistant".to_owned(), reply.clone()));

    let waited = user.send_waiting(&conversation, "And now at once", 30).await;
    assert_eq!(waited.status, 200, "{}", waited.text);
    assert_eq!(waited.body["request"]["status"], "completed");
    assert_eq!(waited.body["request"]["reply"]["content"], default_reply("And now at once"));
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_wait_that_runs_out_leaves_an_accepted_message() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    let gate = Gate::new();
    cluster.provider.on("Slowly", [Script::gated(["…"], &gate)]);
    let waited = user.send_waiting(&conversation, "Slowly", 1).await;
    assert_eq!(waited.status, 202, "{}", waited.text);
    assert_eq!(waited.header("retry-after"), "1");
    let request = waited.body["request"]["id"].as_str().unwrap();
    assert_eq!(waited.header("location"), format!("/api/v1/requests/{request}"));
    let polled = user.get(&format!("/api/v1/requests/{request}?wait=1")).await;
    assert_eq!(polled.expect(200)["status"], "in_progress");
    gate.open();
    assert_eq!(user.reply(request).await, "…");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn the_prompt_tells_the_conversation_in_order() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    let other = user.conversation("demo").await;
    for question in ["One?", "Two?"] {
        user.ask(&conversation, question).await;
        user.ask(&other, &format!("Elsewhere: {question}")).await;
    }
    user.ask(&conversation, "Three?").await;

    let call = &cluster.provider.calls_of("Three?")[0];
    assert_eq!(call.authorization.as_deref(), Some(format!("Bearer {PROVIDER_KEY}").as_str()));
    assert_eq!(call.body["stream"], true);
    let messages = call.messages();
    assert_eq!(messages[0].0, "system");
    assert!(messages[0].1.contains("Ada"), "{}", messages[0].1);
    let turn = |role: &str, content: &str| (role.to_owned(), content.to_owned());
    let expected = [
        turn("user", "One?"),
        turn("assistant", &default_reply("One?")),
        turn("user", "Two?"),
        turn("assistant", &default_reply("Two?")),
        turn("user", "Three?"),
    ];
    assert_eq!(messages[1..], expected);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn messages_sent_meanwhile_wait_their_turn_and_know_the_reply_before_them() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let socket = user.socket().await;
    let conversation = user.conversation("demo").await;
    let gate = Gate::new();
    cluster.provider.on("First", [Script::gated(["One."], &gate)]);

    let first = user.send(&conversation, "First").await;
    gate.reached(1).await;
    let second = user.at(cluster.server(1)).send(&conversation, "Second").await;
    let third = user.send(&conversation, "Third").await;
    // Another conversation is not held up.
    let elsewhere = user.conversation("demo").await;
    assert_eq!(user.ask(&elsewhere, "Elsewhere").await, default_reply("Elsewhere"));
    for waiting in [&second, &third] {
        assert_eq!(user.request(&waiting.request).await["status"], "queued");
    }
    assert!(cluster.provider.calls_of("Second").is_empty() && cluster.provider.calls_of("Third").is_empty());
    gate.open();
    for sent in [&first, &second, &third] {
        socket.ended(&sent.request).await;
    }

    let ends: Vec<_> =
        socket.frames().into_iter().filter(|f| f.json["type"] == "reply.completed").map(|f| f.json).collect();
    let order: Vec<_> =
        ends.iter().filter(|e| e["conversation_id"] == *conversation).map(|e| &e["request_id"]).collect();
    assert_eq!(order, [&*first.request, &*second.request, &*third.request]);
    let prompt: Vec<_> =
        cluster.provider.calls_of("Third")[0].messages().into_iter().skip(1).map(|(_, text)| text).collect();
    let expected = ["First", "One.", "Second", &default_reply("Second"), "Third"];
    assert_eq!(prompt, expected, "each reply is written in the knowledge of the one before");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn many_messages_at_the_same_moment_are_answered_one_by_one() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let there = user.at(cluster.server(1));
    let conversation = user.conversation("demo").await;
    let questions: Vec<_> = (0..10).map(|n| format!("Question {n}")).collect();
    let sent = join_all(questions.iter().enumerate().map(|(n, question)| {
        let from = if n % 2 == 0 { &user } else { &there };
        from.send(&conversation, question)
    }))
    .await;
    for (question, sent) in questions.iter().zip(&sent) {
        assert_eq!(user.reply(&sent.request).await, default_reply(question));
    }
    let overlapping = cluster
        .number(
            "select count(*) from requests a join requests b on a.conversation_id = b.conversation_id and a.position < b.position \
             where a.finished_at > b.started_at",
        )
        .await;
    assert_eq!(overlapping, 0, "a later message was begun before an earlier one was finished");
    assert!(questions.iter().all(|question| cluster.provider.calls_of(question).len() == 1));
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn twenty_users_at_once_get_their_own_replies_and_nobody_elses() {
    let cluster = cluster().await;
    let users = join_all((0..20).map(|n| cluster.client(n % 2))).await;
    let talks = users.iter().enumerate().map(|(n, user)| {
        let elsewhere = user.at(cluster.server((n + 1) % 2));
        async move {
            let socket = elsewhere.socket().await;
            let conversation = user.conversation("demo").await;
            let mut requests = Vec::new();
            for turn in 0..3 {
                let question = format!("User {n} asks {turn}");
                let sent = user.send(&conversation, &question).await;
                socket.ended(&sent.request).await;
                assert_eq!(socket.transcript(&sent.request).completed(), default_reply(&question));
                requests.push(sent.request);
            }
            let strange = |f: &troupe_tests::socket::TextFrame| {
                f.json["type"] != "hello" && !requests.iter().any(|request| f.json["request_id"] == **request)
            };
            assert!(!socket.frames().iter().any(strange), "user {n} heard of somebody else's request");
            assert_eq!(user.messages(&conversation).await.len(), 6);
        }
    });
    within("sixty replies", join_all(talks)).await;
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn whatever_the_service_sends_beside_the_text_does_not_matter() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let reply = words_of(30);
    let plain = || Script::words(30);
    let cases = [
        ("torn into bytes", plain().torn(), false),
        ("unknown fields", plain().with_unknown_fields(), false),
        ("no [DONE]", plain().without_done(), false),
        ("no usage", plain().without_usage(), true),
        ("one chunk", Script::chunks([&reply]), false),
        ("a chunk per letter", Script::chunks(reply.chars()), false),
        ("empty chunks", Script::chunks(["", &reply, ""]), false),
    ];
    for (name, script, estimated) in cases {
        cluster.provider.on(name, [script]);
        let conversation = user.conversation("demo").await;
        let sent = user.send(&conversation, name).await;
        let finished = user.finished(&sent.request).await;
        assert_eq!(finished["reply"]["content"], *reply, "{name}: {finished}");
        assert_eq!(finished["usage"]["estimated"], estimated, "{name}");
        assert_eq!(cluster.provider.calls_of(name).len(), 1, "{name}");
        let mut streamed = Transcript::strict(&sent.request);
        let events = user.events(&sent.request, None).await.rest().await;
        streamed.apply_all(events.iter().map(|event| &event.data));
        assert_eq!(streamed.completed(), reply, "{name}");
    }
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn text_that_comes_quickly_is_told_in_few_events() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    cluster.provider.on("Quick", [Script::words(400)]);
    let sent = user.send(&conversation, "Quick").await;
    assert_eq!(user.reply(&sent.request).await, words_of(400));
    let events = user.events(&sent.request, None).await.rest().await;
    let deltas = events.iter().filter(|event| event.event == "reply.delta").count();
    assert!(deltas < 200, "400 chunks were told in {deltas} events");
    cluster.assert_quiet().await;
}
