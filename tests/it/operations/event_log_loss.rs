//! The log of what was shown is lost, or cannot be read: nobody is shown the end of a text without its beginning.

use troupe_tests::{ClusterOptions, Gate, Script, Transcript, provider::words_of};

#[tokio::test]
async fn when_redis_forgets_the_beginning_of_a_reply_it_is_told_again() {
    let cluster = ClusterOptions::default().own_engines().start().await;
    let user = cluster.client(0).await;
    let stays = user.socket().await;
    let gate = Gate::new();
    let conversation = user.conversation("demo").await;
    let words: Vec<_> = words_of(6).split_inclusive(' ').map(str::to_owned).collect();
    cluster.provider.on("Tell me", [Script::gated(&words, &gate)]);
    let sent = user.send(&conversation, "Tell me").await;
    gate.release(2);
    stays.shown(&sent.request, &words[..2].concat()).await;
    cluster.redis(&["FLUSHALL"]).await;
    gate.release(2);
    stays.shown(&sent.request, &words[..4].concat()).await;
    let late = user.at(cluster.server(1)).socket().await;
    assert_eq!(late.transcript(&sent.request).text, words[..4].concat());
    gate.open();
    for socket in [&stays, &late] {
        socket.ended(&sent.request).await;
        assert_eq!(socket.transcript(&sent.request).completed(), words_of(6));
    }
    let mut streamed = Transcript::strict(&sent.request);
    let events = user.events(&sent.request, None).await.rest().await;
    streamed.apply_all(events.iter().map(|event| &event.data));
    assert_eq!(streamed.completed(), words_of(6));
    cluster.assert_quiet().await;
}

/// A snapshot that could not be read is not the beginning of a text: what follows must not look like the whole of it.
#[tokio::test]
async fn a_socket_that_was_told_nothing_of_a_text_is_told_it_from_its_beginning() {
    let cluster = ClusterOptions::default().own_engines().start().await;
    let user = cluster.client(0).await;
    let gate = Gate::new();
    let conversation = user.conversation("demo").await;
    cluster.provider.on("Tell me", [Script::gated(["One ", "two ", "three"], &gate)]);
    let stays = user.socket().await;
    let sent = user.send(&conversation, "Tell me").await;
    gate.release(1);
    stays.shown(&sent.request, "One ").await;
    let log = cluster.log_of(&sent.request).await;
    cluster.redis(&["RENAME", &log, "aside"]).await;
    cluster.redis(&["SET", &log, "no stream"]).await;
    let late = user.socket().await;
    assert_eq!(late.hello().await["active"][0]["text"], "", "the log could not be read");
    cluster.redis(&["RENAME", "aside", &log]).await;
    gate.release(1);
    late.shown(&sent.request, "One two ").await;
    gate.open();
    for socket in [&stays, &late] {
        socket.ended(&sent.request).await;
        assert_eq!(socket.transcript(&sent.request).completed(), "One two three");
    }
    cluster.assert_quiet().await;
}
