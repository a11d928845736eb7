//! A client that was away takes up where it was: no letter is lost, none is shown twice.

use futures::future::join_all;
use reqwest::Method;
use serde_json::json;
use troupe_tests::{ClusterOptions, Gate, Script, Transcript, transcript::is_terminal};

use crate::cluster;

const CHUNKS: [&str; 9] = ["Grüße ", "🌊", "cafe\u{301} ", "👩‍👩‍👧", " 灯台", "\n\"quoted\\\" ", "мая", "к", " end."];

fn up_to(chunks: usize) -> String {
    CHUNKS[..chunks].concat()
}

#[tokio::test]
async fn a_socket_that_comes_back_in_the_middle_gets_the_rest_on_any_server() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    let gate = Gate::new();
    cluster.provider.on("Tell me", [Script::gated(CHUNKS, &gate)]);
    let stays = user.socket().await;
    let mut socket = user.at(cluster.server(1)).socket().await;
    let sent = user.send(&conversation, "Tell me").await;
    let request = &sent.request;

    let mut told = 0;
    for (n, position) in [1, 2, 4, 7, 8].into_iter().enumerate() {
        gate.release(position - told);
        told = position;
        socket.shown(request, &up_to(position)).await;
        drop(socket);
        socket = user.at(cluster.server(n % 2)).socket().await;
        let hello = socket.hello().await;
        let active = hello["active"].as_array().unwrap();
        assert_eq!(active.len(), 1, "{hello}");
        assert_eq!(active[0]["text"], *up_to(position), "at chunk {position}");
        assert_eq!(active[0]["request_id"], **request);
        assert_eq!(active[0]["conversation_id"], *conversation);
        assert_eq!(active[0]["status"], "in_progress");
    }
    gate.open();
    for socket in [&socket, &stays] {
        socket.ended(request).await;
        assert_eq!(socket.transcript(request).completed(), up_to(9));
    }
    let after = user.socket().await.hello().await;
    assert_eq!(after["active"], json!([]));
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_socket_opened_before_the_first_word_hears_everything() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    let gate = Gate::new();
    cluster.provider.on("First", [Script::gated(["One."], &gate)]);
    let first = user.send(&conversation, "First").await;
    gate.reached(1).await;
    let waiting = user.send(&conversation, "Second").await;
    let socket = user.at(cluster.server(1)).socket().await;
    let hello = socket.hello().await;
    let states: Vec<_> = hello["active"].as_array().unwrap().iter().map(|a| (&a["request_id"], &a["status"])).collect();
    assert_eq!(states, [(&json!(first.request), &json!("in_progress")), (&json!(waiting.request), &json!("queued"))]);
    gate.open();
    socket.ended(&waiting.request).await;
    for request in [&first.request, &waiting.request] {
        assert_eq!(socket.transcript(request).completed(), user.reply(request).await);
    }
    cluster.assert_quiet().await;
}

/// Each socket opens while words are being told: its snapshot and its live events must meet without a seam.
#[tokio::test]
async fn sockets_that_open_at_any_moment_of_a_reply_miss_nothing() {
    let cluster = ClusterOptions::default().set("TROUPE_SERVER__SOCKETS_PER_USER", "100").start().await;
    let user = cluster.client(0).await;
    let there = user.at(cluster.server(1));
    let conversation = user.conversation("demo").await;
    let gate = Gate::new();
    let words: Vec<_> = (0..120).map(|n| format!("🌊{n} ")).collect();
    cluster.provider.on("A long one", [Script::gated(&words, &gate)]);
    let sent = user.send(&conversation, "A long one").await;

    let mut sockets = Vec::new();
    for n in 0..words.len() / 4 {
        gate.reached(n * 4 + 1).await;
        gate.release(4);
        let (one, other) = tokio::join!(user.socket(), there.socket());
        sockets.extend([one, other]);
    }
    gate.open();
    for socket in &sockets {
        socket.ended(&sent.request).await;
        assert_eq!(socket.transcript(&sent.request).completed(), words.concat());
    }
    cluster.assert_quiet().await;
}

/// The hardest moment to open a socket: when the reply ends. It must hear of the whole reply or of none of it.
#[tokio::test]
async fn sockets_that_open_as_a_reply_ends_hear_all_of_it_or_nothing() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let there = user.at(cluster.server(1));
    for round in 0..12 {
        let (gate, question) = (Gate::new(), format!("Round {round}"));
        cluster.provider.on(&question, [Script::gated(["One ", "two ", "three."], &gate)]);
        let conversation = user.conversation("demo").await;
        let sent = user.send(&conversation, &question).await;
        gate.reached(1).await;
        gate.release(1);
        gate.reached(2).await;
        let opening = join_all((0..10).map(|n| if n % 2 == 0 { user.socket() } else { there.socket() }));
        let (sockets, ()) = tokio::join!(opening, async { gate.open() });
        let reply = user.reply(&sent.request).await;
        for socket in sockets {
            let hello = socket.hello().await;
            if hello["active"].as_array().unwrap().iter().any(|active| active["request_id"] == *sent.request) {
                socket.ended(&sent.request).await;
            }
            let transcript = socket.transcript(&sent.request);
            assert!(transcript.end.is_none() || transcript.text == reply);
            assert!(transcript.end.is_some() || transcript.cursor == (0, 0), "a reply without an end: {transcript:?}");
        }
    }
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_stream_of_events_goes_on_after_the_last_one_seen() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let there = user.at(cluster.server(1));
    let conversation = user.conversation("demo").await;
    let gate = Gate::new();
    cluster.provider.on("Tell me", [Script::gated(CHUNKS, &gate)]);
    let sent = user.send(&conversation, "Tell me").await;
    let request = sent.request.as_str();
    let mut seen = Transcript::strict(request);
    let mut cursor = String::new();

    for (round, position) in [2_usize, 5, 8].into_iter().enumerate() {
        gate.release(position - if round == 0 { 0 } else { [2, 5][round - 1] });
        let mut stream = match round {
            0 => user.events(request, None).await,
            1 => there.events(request, Some(&cursor)).await,
            _ => {
                let path = format!("/api/v1/requests/{request}/events?after={cursor}");
                user.open_events(user.call(Method::GET, &path)).await
            }
        };
        while seen.text != up_to(position) {
            let event = stream.next().await.expect("the stream goes on");
            seen.apply(&event.data);
            cursor = event.id;
        }
    }
    // The header goes before the query: a browser that reconnects sends the address it was given first.
    let path = format!("/api/v1/requests/{request}/events?after=1-1");
    let stream = there.open_events(there.call(Method::GET, &path).header("last-event-id", &cursor)).await;
    gate.open();
    let rest = stream.rest().await;
    seen.apply_all(rest.iter().map(|event| &event.data));
    assert_eq!(seen.completed(), up_to(9));

    let last = &rest.last().unwrap().id;
    let nothing = there
        .answer(there.call(Method::GET, &format!("/api/v1/requests/{request}/events")).header("last-event-id", last));
    assert_eq!(nothing.await.status, 204, "everything has been seen");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_finished_reply_can_be_read_with_and_without_its_log() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    cluster.provider.on("Tell me", [Script::chunks(CHUNKS)]);
    cluster.provider.on("Fail", [Script::error(400)]);
    let sent = user.send(&conversation, "Tell me").await;
    let request = sent.request.as_str();
    assert_eq!(user.reply(request).await, up_to(9));

    let logged = user.events(request, None).await.rest().await;
    let mut seen = Transcript::strict(request);
    seen.apply_all(logged.iter().map(|event| &event.data));
    assert_eq!(seen.completed(), up_to(9));

    cluster.forget_log(request).await;
    for after in [None, Some("1-1"), Some(logged[logged.len() - 2].id.as_str())] {
        let events = user.at(cluster.server(1)).events(request, after).await.rest().await;
        assert!(events.last().is_some_and(|event| is_terminal(&event.data)), "after {after:?}: {events:?}");
        let mut seen = Transcript::lenient(request);
        seen.apply_all(events.iter().map(|event| &event.data));
        assert_eq!(seen.completed(), up_to(9), "after {after:?}");
    }
    assert_eq!(user.reply(request).await, up_to(9));

    let failed = user.send(&conversation, "Fail").await;
    assert_eq!(user.finished(&failed.request).await["status"], "failed");
    cluster.forget_log(&failed.request).await;
    let events = user.events(&failed.request, None).await.rest().await;
    assert_eq!(events.last().unwrap().event, "request.failed", "{events:?}");
    cluster.assert_quiet().await;
}

/// Redis may lose a log at any moment: what was told is gone, and the whole reply comes all the same.
#[tokio::test]
async fn a_log_lost_in_the_middle_costs_no_reply() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    let gate = Gate::new();
    cluster.provider.on("Tell me", [Script::gated(CHUNKS, &gate)]);
    let stays = user.socket().await;
    let sent = user.send(&conversation, "Tell me").await;
    let request = sent.request.as_str();
    gate.release(4);
    stays.shown(request, &up_to(4)).await;
    cluster.forget_log(request).await;

    let late = user.at(cluster.server(1)).socket().await;
    let stream = user.events(request, None).await;
    gate.open();
    late.ended(request).await;
    stays.ended(request).await;
    assert_eq!(stays.transcript(request).completed(), up_to(9), "whoever stayed noticed nothing");
    let mut seen = Transcript::lenient(request);
    seen.snapshot(&late.hello().await);
    seen.apply_all(&late.events(request));
    assert_eq!(seen.completed(), up_to(9));
    let mut streamed = Transcript::lenient(request);
    streamed.apply_all(stream.rest().await.iter().map(|event| &event.data));
    assert_eq!(streamed.completed(), up_to(9));
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_socket_is_told_what_was_said_since_the_message_it_knows() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let stranger = cluster.client(1).await;
    let (conversation, other) = (user.conversation("demo").await, user.conversation("demo").await);
    let theirs = stranger.conversation("demo").await;
    let first = user.send(&conversation, "One?").await;
    user.reply(&first.request).await;
    stranger.ask(&theirs, "Not yours").await;
    user.ask(&conversation, "Two?").await;
    user.ask(&other, "Three?").await;

    let contents = |hello: &serde_json::Value| {
        let completed = hello["completed"].as_array().unwrap().iter();
        completed.map(|message| message["content"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let reply = |question: &str| troupe_tests::provider::default_reply(question);
    let hello = user.at(cluster.server(1)).socket_after(&first.message).await.hello().await;
    let expected = [reply("One?"), "Two?".to_owned(), reply("Two?"), "Three?".to_owned(), reply("Three?")];
    assert_eq!(contents(&hello), expected);
    let of_another = stranger.socket_after(&first.message).await.hello().await;
    assert_eq!(contents(&of_another), Vec::<String>::new(), "another's message tells nothing");
    let without = user.socket().await.hello().await;
    assert_eq!(contents(&without), Vec::<String>::new());
    cluster.assert_quiet().await;
}
