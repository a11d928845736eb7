//! Processes are killed and frozen, engines forget and hang: no reply is lost, none comes twice.

use futures::future::join_all;
use serde_json::{Value, json};
use troupe_tests::{
    Client, ClusterOptions, Gate, Script, Signal,
    provider::{default_reply, words_of},
    within,
};

/// A lease short enough to wait for.
fn short_lease() -> ClusterOptions {
    ClusterOptions::default().processes().set("TROUPE_WORKER__LEASE", "2s")
}

#[tokio::test]
async fn when_a_worker_is_killed_in_the_middle_another_one_finishes() {
    let mut cluster = short_lease().start().await;
    let user = cluster.client(0).await;
    let (here, there) = (user.socket().await, user.at(cluster.server(1)).socket().await);
    let gate = Gate::new();
    let conversation = user.conversation("demo").await;
    cluster.provider.on("Tell me", [Script::gated(["Half 🌊 ", "of it"], &gate), Script::words(8)]);
    let sent = user.send(&conversation, "Tell me").await;
    let next = user.send(&conversation, "And then?").await;
    gate.release(1);
    here.shown(&sent.request, "Half 🌊 ").await;

    let worker = cluster.worker_of(&sent.request).await;
    cluster.workers[worker].kill().await;
    here.ended(&sent.request).await;
    there.ended(&sent.request).await;
    for socket in [&here, &there] {
        assert_eq!(socket.transcript(&sent.request).completed(), words_of(8));
    }
    assert_eq!(cluster.attempts_of(&sent.request).await, ["lost", "completed"]);
    assert_eq!(user.reply(&next.request).await, default_reply("And then?"));
    assert_eq!(user.messages(&conversation).await.len(), 4);
    cluster.assert_quiet().await;
}

/// A reply that takes its worker down each time must not do so for ever.
#[tokio::test]
async fn a_request_that_outlives_no_worker_fails_after_its_attempts() {
    let mut cluster = short_lease().workers(1).set("TROUPE_WORKER__MAX_ATTEMPTS", "2").start().await;
    let user = cluster.client(0).await;
    let socket = user.socket().await;
    cluster.provider.on("Poison", [Script::text("Some ").then_stall()]);
    let sent = user.send(&user.conversation("demo").await, "Poison").await;
    for attempt in 1..=2 {
        cluster.provider.asked("Poison", attempt).await;
        cluster.workers[attempt - 1].kill().await;
        cluster.add_worker().await;
    }
    assert_eq!(socket.ended(&sent.request).await["type"], "request.failed");
    assert_eq!(cluster.provider.calls_of("Poison").len(), 2, "more attempts than allowed");
    assert_eq!(user.request(&sent.request).await["status"], "failed");
    cluster.assert_quiet().await;
}

/// Many replies at once, both workers killed one after the other, a fresh one started in between.
#[tokio::test]
async fn when_workers_die_under_load_every_reply_comes_once() {
    let mut cluster = short_lease().start().await;
    let users = join_all((0..6).map(|n| cluster.client(n % 2))).await;
    let gate = Gate::new();
    let (mut sockets, mut sent) = (Vec::new(), Vec::new());
    for (n, user) in users.iter().enumerate() {
        sockets.push(user.at(cluster.server((n + 1) % 2)).socket().await);
        for turn in 0..3 {
            let question = format!("{n} asks {turn}");
            cluster.provider.on(&question, [Script::gated(words_of(6).split_inclusive(' '), &gate), Script::words(6)]);
            let conversation = user.conversation("demo").await;
            sent.push((n, user.send(&conversation, &question).await.request));
        }
    }
    gate.reached(sent.len()).await;
    gate.release(sent.len() * 3);
    gate.reached(sent.len() * 2).await;
    cluster.workers[0].kill().await;
    let fresh = cluster.add_worker().await;
    cluster.workers[1].kill().await;
    for (n, request) in &sent {
        sockets[*n].ended(request).await;
        assert_eq!(sockets[*n].transcript(request).completed(), words_of(6));
        let outcomes = cluster.attempts_of(request).await;
        assert_eq!(outcomes.last().map(String::as_str), Some("completed"));
    }
    cluster.workers[fresh].stop().await;
    cluster.assert_quiet().await;
}

/// A frozen worker looks alive, loses its lease, and comes back: what it still says must not be heard.
#[tokio::test]
async fn a_worker_that_was_frozen_leaves_no_trace_when_it_thaws() {
    let cluster = short_lease().start().await;
    let user = cluster.client(0).await;
    let socket = user.socket().await;
    let (first, second) = (Gate::new(), Gate::new());
    let conversation = user.conversation("demo").await;
    let frozen_script = Script::gated(["Frozen ", "words ", "of the first"], &first);
    cluster.provider.on("Tell me", [frozen_script, Script::gated(["Warm ", "words"], &second)]);
    let sent = user.send(&conversation, "Tell me").await;
    first.release(1);
    socket.shown(&sent.request, "Frozen ").await;

    let frozen = cluster.worker_of(&sent.request).await;
    cluster.workers[frozen].signal(Signal::Stop);
    // The other one has taken over and shown something before the frozen one wakes up in the middle of it.
    second.release(1);
    socket.shown(&sent.request, "Warm ").await;
    first.open();
    cluster.workers[frozen].signal(Signal::Continue);
    let gave_up = |entry: &Value| {
        let message = entry["fields"]["message"].as_str().unwrap_or_default();
        message.contains("overtaken") || message == "the lease is lost"
    };
    cluster.workers[frozen].logged_where("that it was overtaken", gave_up).await;
    second.open();
    socket.ended(&sent.request).await;
    assert_eq!(socket.transcript(&sent.request).completed(), "Warm words");
    assert_eq!(user.reply(&sent.request).await, "Warm words");
    assert_eq!(cluster.attempts_of(&sent.request).await, ["lost", "completed"]);
    assert_eq!(user.messages(&conversation).await.len(), 2);
    // And it works on as if nothing had been.
    let others = join_all((0..8).map(|n| {
        let user = user.clone();
        async move { user.ask(&user.conversation("demo").await, &format!("Again {n}")).await }
    }));
    for (n, reply) in others.await.into_iter().enumerate() {
        assert_eq!(reply, default_reply(&format!("Again {n}")));
    }
    cluster.assert_quiet().await;
}

/// Its open transaction would keep every other sweeper waiting for as long as it is frozen.
#[tokio::test]
async fn a_worker_that_freezes_in_the_middle_of_a_sweep_holds_nobody_up() {
    let mut cluster = short_lease().own_engines().workers(1).start().await;
    let user = cluster.client(0).await;
    let gate = Gate::new();
    let conversation = user.conversation("demo").await;
    cluster.provider.on("Tell me", [Script::gated(["Frozen"], &gate), Script::words(5)]);
    let sent = user.send(&conversation, "Tell me").await;
    gate.reached(1).await;
    let mut transaction = cluster.db.begin().await.unwrap();
    sqlx::query("lock table requests in exclusive mode").execute(&mut *transaction).await.unwrap();
    let sweeping = "select count(*) from pg_locks a join pg_locks w using (pid) \
                    where a.locktype = 'advisory' and a.granted and not w.granted";
    within("a sweep that waits", async { while cluster.number(sweeping).await == 0 {} }).await;
    cluster.workers[0].signal(Signal::Stop);
    transaction.rollback().await.unwrap();

    cluster.add_worker().await;
    assert_eq!(user.reply(&sent.request).await, words_of(5));
    gate.open();
    cluster.workers[0].signal(Signal::Continue);
    assert_eq!(user.ask(&conversation, "And now?").await, default_reply("And now?"));
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn when_redis_forgets_everything_what_is_queued_is_still_answered() {
    let options = ClusterOptions::default()
        .own_engines()
        .workers(1)
        .set("TROUPE_WORKER__CONCURRENCY", "1")
        .set("TROUPE_QUEUE__REDISPATCH_AFTER", "1s");
    let cluster = options.start().await;
    let user = cluster.client(0).await;
    let socket = user.socket().await;
    let gate = Gate::new();
    cluster.provider.on("In the way", [Script::gated(["At last."], &gate)]);
    let blocking = user.send(&user.conversation("demo").await, "In the way").await;
    gate.reached(1).await;
    let mut waiting = Vec::new();
    for n in 0..5 {
        let question = format!("Waiting {n}");
        let sent = user.send(&user.conversation("demo").await, &question).await;
        waiting.push((question, sent.request));
    }
    cluster.redis(&["FLUSHALL"]).await;
    gate.open();
    assert_eq!(user.reply(&blocking.request).await, "At last.");
    for (question, request) in waiting {
        socket.ended(&request).await;
        assert_eq!(socket.transcript(&request).completed(), default_reply(&question));
        assert_eq!(cluster.provider.calls_of(&question).len(), 1, "{question}");
    }
    assert_eq!(user.ask(&user.conversation("demo").await, "Later").await, default_reply("Later"));
    cluster.assert_quiet().await;
}

/// The log that says what was shown is gone when the next attempt begins: the text must be taken back all the same.
#[tokio::test]
async fn when_redis_forgets_what_was_shown_the_next_attempt_still_takes_it_back() {
    let cluster = ClusterOptions::default().own_engines().start().await;
    let user = cluster.client(0).await;
    let socket = user.socket().await;
    let gate = Gate::new();
    let conversation = user.conversation("demo").await;
    cluster.provider.on("Tell me", [Script::gated(["Forgotten "], &gate).then_cut(), Script::words(4)]);
    let sent = user.send(&conversation, "Tell me").await;
    gate.release(1);
    socket.shown(&sent.request, "Forgotten ").await;
    cluster.redis(&["FLUSHALL"]).await;
    gate.open();
    socket.ended(&sent.request).await;
    assert_eq!(socket.transcript(&sent.request).completed(), words_of(4));
    cluster.assert_quiet().await;
}

/// Redis stays and every connection to it breaks, those of the subscriptions too: sockets are told afresh where things
/// stand.
#[tokio::test]
async fn when_connections_to_redis_break_sockets_catch_up() {
    let cluster = ClusterOptions::default().own_engines().start().await;
    let user = cluster.client(0).await;
    let (here, there) = (user.socket().await, user.at(cluster.server(1)).socket().await);
    let gate = Gate::new();
    let conversation = user.conversation("demo").await;
    let words: Vec<_> = (0..40).map(|n| format!("🌊{n} ")).collect();
    cluster.provider.on("Tell me", [Script::gated(&words, &gate)]);
    let sent = user.send(&conversation, "Tell me").await;
    for n in 0..4 {
        gate.reached(n * 10 + 1).await;
        cluster.redis(&["CLIENT", "KILL", "TYPE", if n % 2 == 0 { "pubsub" } else { "normal" }, "SKIPME", "yes"]).await;
        gate.release(10);
    }
    gate.open();
    for socket in [&here, &there] {
        socket.wait_for_transcript(&sent.request, "the whole reply", |t| t.text == words.concat()).await;
    }
    assert_eq!(user.reply(&sent.request).await, words.concat());
    let next = user.send(&conversation, "And now?").await;
    for socket in [&here, &there] {
        socket.ended(&next.request).await;
        assert_eq!(socket.transcript(&next.request).completed(), default_reply("And now?"));
    }
    cluster.assert_quiet().await;
}

/// As when a database fails over: calls may be refused for a moment, in good form, and no reply is lost.
#[tokio::test]
async fn when_connections_to_postgres_break_calls_are_refused_at_worst() {
    let cluster = ClusterOptions::default().own_engines().start().await;
    let user = cluster.client(0).await;
    let socket = user.socket().await;
    let gate = Gate::new();
    let conversation = user.conversation("demo").await;
    let other = user.conversation("demo").await;
    cluster.provider.on("Tell me", [Script::gated(["One ", "two"], &gate)]);
    let sent = user.send(&conversation, "Tell me").await;
    gate.release(1);
    socket.shown(&sent.request, "One ").await;
    let cut = "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name like 'troupe%'";
    assert!(cluster.number(cut).await > 0, "connections were cut");
    gate.open();

    let second = send_patiently(&user, &other, "Still there?").await;
    for (request, reply) in [(&sent.request, "One two"), (&second, &*default_reply("Still there?"))] {
        socket.ended(request).await;
        assert_eq!(socket.transcript(request).completed(), reply);
    }
    cluster.assert_quiet().await;
}

/// As a client that obeys `retryable` does.
pub(crate) async fn send_patiently(user: &Client, conversation: &str, content: &str) -> String {
    for _ in 0..20 {
        let answer = user.send_waiting(conversation, content, 0).await;
        if answer.status == 202 {
            return answer.body["request"]["id"].as_str().expect("an id").to_owned();
        }
        assert_eq!(answer.problem(503)["retryable"], true, "{}", answer.text);
    }
    panic!("twenty calls were refused");
}

#[tokio::test]
async fn when_a_server_is_killed_its_users_go_on_at_another() {
    let mut cluster = ClusterOptions::default().processes().start().await;
    let user = cluster.client(0).await;
    let survivor = user.at(cluster.server(1));
    let socket = user.socket().await;
    let gate = Gate::new();
    let conversation = user.conversation("demo").await;
    let words: Vec<_> = words_of(6).split_inclusive(' ').map(str::to_owned).collect();
    cluster.provider.on("Tell me", [Script::gated(&words, &gate)]);
    let sent = user.send(&conversation, "Tell me").await;
    gate.release(3);
    socket.shown(&sent.request, &words[..3].concat()).await;

    cluster.servers[0].kill().await;
    socket.closed().await;
    gate.release(1);
    let resumed = survivor.socket().await;
    gate.open();
    resumed.ended(&sent.request).await;
    assert_eq!(resumed.transcript(&sent.request).completed(), words_of(6));
    assert_eq!(survivor.reply(&sent.request).await, words_of(6));
    cluster.assert_quiet().await;
}

/// A Redis that hangs: messages are still taken, nothing waits for it without end, and replies come when it is back.
#[tokio::test]
async fn a_frozen_redis_delays_replies_and_nothing_else() {
    let options = ClusterOptions::default()
        .own_engines()
        .set("TROUPE_REDIS__COMMAND_TIMEOUT", "1s")
        .set("TROUPE_QUEUE__REDISPATCH_AFTER", "1s");
    let cluster = options.start().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    cluster.freeze_redis(Signal::Stop);
    let ready = user.get("/ready").await;
    assert_eq!((ready.status.as_u16(), &ready.body["redis"]), (200, &json!("away")), "{}", ready.text);
    assert_eq!(user.get("/health").await.expect(200)["status"], "ok");
    let sent = user.send(&conversation, "Are you there?").await;
    assert_eq!(user.request(&sent.request).await["status"], "queued");
    cluster.freeze_redis(Signal::Continue);
    assert_eq!(user.reply(&sent.request).await, default_reply("Are you there?"));
    assert_eq!(user.ask(&conversation, "And now?").await, default_reply("And now?"));
    let socket = user.socket().await;
    let next = user.send(&conversation, "Over the socket?").await;
    socket.ended(&next.request).await;
    assert_eq!(socket.transcript(&next.request).completed(), default_reply("Over the socket?"));
    cluster.assert_quiet().await;
}

/// The end is stored, and the worker dies before it could tell it: whoever listens is told all the same.
#[tokio::test]
async fn an_end_that_its_worker_could_not_tell_is_told_by_the_server() {
    let mut cluster = ClusterOptions::default().processes().own_engines().servers(1).workers(1).start().await;
    let user = cluster.client(0).await;
    let socket = user.socket().await;
    let gate = Gate::new();
    let conversation = user.conversation("demo").await;
    cluster.provider.on("Tell me", [Script::gated(["One ", "two"], &gate)]);
    let sent = user.send(&conversation, "Tell me").await;
    gate.release(1);
    socket.shown(&sent.request, "One ").await;
    let followed = user.events(&sent.request, None).await;
    cluster.freeze_redis(Signal::Stop);
    gate.open();
    within("the end in PostgreSQL", async {
        while user.request(&sent.request).await["status"] != "completed" {
            tokio::task::yield_now().await;
        }
    })
    .await;
    cluster.workers[0].kill().await;
    cluster.freeze_redis(Signal::Continue);
    socket.ended(&sent.request).await;
    assert_eq!(socket.transcript(&sent.request).completed(), "One two");
    assert_eq!(followed.rest().await.last().expect("an end").event, "reply.completed");
    cluster.assert_quiet().await;
}
