//! Processes are asked to stop: calls and replies under way are finished or handed on, sockets are told to come back.

use futures::future::join_all;
use serde_json::Value;
use troupe_tests::{
    Client, Cluster, ClusterOptions, Gate, Script, Signal,
    provider::{default_reply, words_of},
    socket::End,
    within,
};

/// Processes that may take longer over their end than any test waits: those that end did not wait for the time to run
/// out.
fn patient() -> ClusterOptions {
    ClusterOptions::default().processes().set("TROUPE_SERVER__DRAIN", "10m").set("TROUPE_WORKER__DRAIN", "10m")
}

#[tokio::test]
async fn idle_processes_stop_at_once() {
    let mut cluster = patient().start().await;
    for process in cluster.servers.iter_mut().chain(&mut cluster.workers) {
        process.stop().await;
    }
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_server_that_stops_sends_its_sockets_elsewhere() {
    let mut cluster = patient().start().await;
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

    let (end, ()) = tokio::join!(socket.closed(), cluster.servers[0].stop());
    assert_eq!(end, End::Code(1012));
    let resumed = survivor.socket().await;
    gate.open();
    resumed.ended(&sent.request).await;
    assert_eq!(resumed.transcript(&sent.request).completed(), words_of(6));
    cluster.assert_quiet().await;
}

/// A call that waits for a reply and a stream of events are calls in flight: they get their answer, or the end of the
/// drain.
#[tokio::test]
async fn a_server_that_stops_answers_the_calls_in_flight() {
    let mut cluster = ClusterOptions::default().processes().start().await;
    let user = cluster.client(0).await;
    let gate = Gate::new();
    let conversation = user.conversation("demo").await;
    cluster.provider.on("Tell me", [Script::gated(["One ", "two"], &gate)]);
    let waiting = user.send_waiting(&conversation, "Tell me", 30);
    let stopping = async {
        // The call has arrived for certain: its message has got to the provider.
        cluster.provider.asked("Tell me", 1).await;
        let request: uuid::Uuid = sqlx::query_scalar("select id from requests").fetch_one(&cluster.db).await.unwrap();
        gate.release(1);
        let mut stream = user.events(&request.to_string(), None).await;
        stream.until(|event| event.event == "reply.delta").await;
        cluster.servers[0].signal(Signal::Terminate);
        cluster.servers[0].logged("stopping").await;
        gate.open();
        (stream, cluster.servers[0].ended().await)
    };
    let (answer, (stream, status)) = tokio::join!(waiting, stopping);
    assert_eq!(answer.expect(200)["request"]["reply"]["content"], "One two");
    assert!(status.success(), "{status}");
    let rest = stream.rest().await;
    assert_eq!(rest.last().expect("the rest").event, "reply.completed");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_worker_that_stops_finishes_what_it_can() {
    let mut cluster = ClusterOptions::default().processes().start().await;
    let user = cluster.client(0).await;
    let gate = Gate::new();
    let conversation = user.conversation("demo").await;
    cluster.provider.on("Tell me", [Script::gated(["One ", "two"], &gate)]);
    let sent = user.send(&conversation, "Tell me").await;
    gate.reached(1).await;
    for worker in &cluster.workers {
        worker.signal(Signal::Terminate);
        worker.logged("stopping").await;
    }
    gate.open();
    for worker in &mut cluster.workers {
        assert!(worker.ended().await.success());
    }
    let request = user.request(&sent.request).await;
    assert_eq!((&request["status"], &request["attempt"]), (&"completed".into(), &1.into()));
    // What comes while no worker runs waits for the next one.
    let sent = user.send(&conversation, "Anybody?").await;
    cluster.add_worker().await;
    user.reply(&sent.request).await;
    cluster.assert_quiet().await;
}

/// What does not end in time is handed back and taken up by another at once, without waiting for the lease.
#[tokio::test]
async fn a_worker_that_cannot_finish_hands_back() {
    let options = ClusterOptions::default()
        .processes()
        .workers(1)
        .set("TROUPE_WORKER__DRAIN", "1s")
        .set("TROUPE_WORKER__LEASE", "60s");
    let mut cluster = options.start().await;
    let user = cluster.client(0).await;
    let socket = user.socket().await;
    let gate = Gate::new();
    let conversation = user.conversation("demo").await;
    cluster.provider.on("Tell me", [Script::gated(["Half 🌊 ", "of it"], &gate), Script::words(5)]);
    let sent = user.send(&conversation, "Tell me").await;
    gate.release(1);
    socket.shown(&sent.request, "Half 🌊 ").await;
    cluster.workers[0].stop().await;
    assert_eq!(user.request(&sent.request).await["status"], "queued");
    cluster.add_worker().await;
    socket.ended(&sent.request).await;
    assert_eq!(socket.transcript(&sent.request).completed(), words_of(5));
    cluster.assert_quiet().await;
}

/// Nothing but the one who hands back sees to it: the sweeper does not look, and no lease runs out.
#[tokio::test]
async fn what_is_handed_back_is_pushed_at_once() {
    let mut cluster = without_a_safety_net().start().await;
    let user = cluster.client(0).await;
    let socket = user.socket().await;
    let gate = Gate::new();
    cluster.provider.on("Tell me", [Script::gated(["Half 🌊 ", "of it"], &gate), Script::words(5)]);
    let sent = user.send(&user.conversation("demo").await, "Tell me").await;
    gate.release(1);
    socket.shown(&sent.request, "Half 🌊 ").await;
    let worker = cluster.worker_of(&sent.request).await;
    cluster.workers[worker].stop().await;
    socket.ended(&sent.request).await;
    assert_eq!(socket.transcript(&sent.request).completed(), words_of(5));
    assert_eq!(cluster.attempts_of(&sent.request).await, ["retried", "completed"]);
    cluster.assert_quiet().await;
}

/// A sweeper that does not look while a test lasts, and leases that do not run out.
fn without_a_safety_net() -> ClusterOptions {
    ClusterOptions::default()
        .processes()
        .set("TROUPE_WORKER__DRAIN", "1s")
        .set("TROUPE_WORKER__LEASE", "10m")
        .set("TROUPE_WORKER__SWEEP_INTERVAL", "10m")
        .set("TROUPE_QUEUE__REDISPATCH_AFTER", "10m")
}

/// Each worker is replaced while replies run that will not end by themselves, and others come all the time.
#[tokio::test]
async fn a_rolling_restart_under_load_loses_and_doubles_nothing() {
    let mut cluster = without_a_safety_net().start().await;
    let users = join_all((0..4).map(|n| cluster.client(n % 2))).await;
    let gate = Gate::new();
    let sockets = join_all(users.iter().map(Client::socket)).await;
    // Who, the request, and the reply that its first attempt would give, and that its second does.
    let mut sent = Vec::new();
    for round in 0..2 {
        for (n, user) in users.iter().enumerate() {
            let (long, short) = (format!("{n} long {round}"), format!("{n} short {round}"));
            cluster.provider.on(&long, [Script::gated(["Half ", "of it"], &gate), Script::words(6)]);
            let request = user.send(&user.conversation("demo").await, &long).await.request;
            sent.push((n, request, ["Half of it".to_owned(), words_of(6)]));
            let request = user.send(&user.conversation("demo").await, &short).await.request;
            sent.push((n, request, [default_reply(&short), default_reply(&short)]));
        }
        gate.reached(users.len() * (round + 1)).await;
        cluster.add_worker().await;
        cluster.workers[round].signal(Signal::Terminate);
        for (n, user) in users.iter().enumerate() {
            let question = format!("{n} meanwhile {round}");
            let request = user.send(&user.conversation("demo").await, &question).await.request;
            sent.push((n, request, [default_reply(&question), default_reply(&question)]));
        }
        assert!(cluster.workers[round].ended().await.success());
    }
    // What the first two workers did not hand back runs in the last two.
    gate.open();
    for (n, request, replies) in &sent {
        sockets[*n].ended(request).await;
        let attempts = cluster.attempts_of(request).await;
        assert!((1..=2).contains(&attempts.len()), "{attempts:?}");
        assert_eq!(sockets[*n].transcript(request).completed(), replies[attempts.len() - 1]);
    }
    let handed_back = cluster.count("attempts where outcome = 'retried'").await;
    assert!(handed_back > 0, "no reply was handed back");
    cluster.assert_quiet().await;
}

/// A job that Redis gives out to a worker which has gone on to its end must not wait for that worker's heartbeats to be
/// missed.
#[tokio::test]
async fn a_worker_that_stops_puts_back_what_it_has_not_begun() {
    let (mut cluster, user, waiting) = with_a_fetch_on_its_way().await;
    cluster.workers[0].signal(Signal::Terminate);
    cluster.workers[0].logged("stopping").await;
    cluster.freeze_redis(Signal::Continue);
    assert!(cluster.workers[0].ended().await.success());
    let length = cluster.redis(&["LLEN", "{troupe:replies:free}:active"]).await;
    assert_eq!(redis::from_redis_value::<u32>(length).unwrap(), 1);
    cluster.add_worker().await;
    assert_eq!(user.reply(&waiting).await, default_reply("Waiting"));
    cluster.assert_quiet().await;
}

/// The fetch has taken the job when nobody waited for its answer any more. Nobody else will have it: this worker lives.
#[tokio::test]
async fn a_job_whose_fetch_was_given_up_is_not_lost() {
    let (cluster, user, waiting) = with_a_fetch_on_its_way().await;
    cluster.freeze_redis(Signal::Continue);
    assert_eq!(user.reply(&waiting).await, default_reply("Waiting"));
    cluster.assert_quiet().await;
}

/// One job waits in the queue of a Redis that is frozen, and a fetch of the worker's that will take it has been given
/// up.
async fn with_a_fetch_on_its_way() -> (Cluster, Client, String) {
    let mut cluster = without_a_safety_net()
        .own_engines()
        .servers(1)
        .workers(0)
        .set("TROUPE_WORKER__CONCURRENCY", "1")
        .set("TROUPE_REDIS__COMMAND_TIMEOUT", "500ms")
        .start()
        .await;
    // The only fetches are those from the one queue.
    sqlx::query("delete from tiers where name <> 'free'").execute(&cluster.db).await.unwrap();
    cluster.add_worker().await;
    let user = cluster.client(0).await;
    let gate = Gate::new();
    cluster.provider.on("In the way", [Script::gated(["At last."], &gate)]);
    user.send(&user.conversation("demo").await, "In the way").await;
    gate.reached(1).await;
    let waiting = user.send(&user.conversation("demo").await, "Waiting").await;
    within("the job in the queue", async {
        let queue = "{troupe:replies:free}:active";
        while redis::from_redis_value::<u32>(cluster.redis(&["LLEN", queue]).await).unwrap() == 0 {}
    })
    .await;
    cluster.freeze_redis(Signal::Stop);
    gate.open();
    let given_up = |entry: &Value| entry["fields"]["what"] == "fetch";
    cluster.workers[0].logged_where("that it gave up a fetch", given_up).await;
    (cluster, user, waiting.request)
}
