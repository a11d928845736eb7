//! Processes are asked to stop: calls and replies under way are finished or handed on, sockets are told to come back.

use troupe_tests::{ClusterOptions, Gate, Script, provider::words_of, socket::End};

use crate::cluster;

/// Processes that may take longer over their end than any test waits: those that end did not wait for the time to run out.
fn patient() -> ClusterOptions {
    ClusterOptions::default().set("TROUPE_SERVER__DRAIN", "10m").set("TROUPE_WORKER__DRAIN", "10m")
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

/// A call that waits for a reply and a stream of events are calls in flight: they get their answer, or the end of the drain.
#[tokio::test]
async fn a_server_that_stops_answers_the_calls_in_flight() {
    let mut cluster = cluster().await;
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
        cluster.servers[0].signal(troupe_tests::Signal::Terminate);
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
    let mut cluster = cluster().await;
    let user = cluster.client(0).await;
    let gate = Gate::new();
    let conversation = user.conversation("demo").await;
    cluster.provider.on("Tell me", [Script::gated(["One ", "two"], &gate)]);
    let sent = user.send(&conversation, "Tell me").await;
    gate.reached(1).await;
    for worker in &cluster.workers {
        worker.signal(troupe_tests::Signal::Terminate);
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
    let options =
        ClusterOptions::default().workers(1).set("TROUPE_WORKER__DRAIN", "1s").set("TROUPE_WORKER__LEASE", "60s");
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
