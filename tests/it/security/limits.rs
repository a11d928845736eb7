//! What a server takes at most, over raw sockets: slow heads and bodies, large ones, too much at once, too deep,
//! packed.

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use troupe_tests::{Answer, Client, Cluster, ClusterOptions, Gate, Script, raw::RawConnection, socket::End, within};

async fn one_server(settings: &[(&str, &str)]) -> Cluster {
    let options = ClusterOptions::default().servers(1).workers(0);
    settings.iter().fold(options, |options, (name, value)| options.set(name, value)).start().await
}

const HEALTH: &str = "GET /health HTTP/1.1\r\nhost: x\r\n\r\n";

/// Slowloris: a head that does not end is given up, however often a byte of it comes, and so is a connection that says
/// nothing.
#[tokio::test]
async fn a_head_must_come_in_time() {
    let cluster = one_server(&[("TROUPE_SERVER__HEADER_TIMEOUT", "2s")]).await;
    let mut silent = RawConnection::open(cluster.server(0)).await;
    assert_eq!(silent.hung_up().await, b"");
    let mut slow = RawConnection::open(cluster.server(0)).await;
    slow.send("GET /health HTTP/1.1\r\n").await;
    within("the end of a slow head", async { while slow.try_send("x: y\r\n").await.is_ok() {} }).await;
    // The second head is counted from its first byte on, not from the answer to the first.
    let mut second = RawConnection::open(cluster.server(0)).await;
    second.send(HEALTH).await;
    assert_eq!(second.answer().await.status, 200);
    second.send("GET /health HTTP/1.1\r\n").await;
    assert_eq!(second.hung_up().await, b"");
    cluster.assert_quiet().await;
}

/// An idle connection has a time of its own, which begins with each answer; another is not closed by the time for a
/// head.
#[tokio::test]
async fn a_connection_is_kept_between_calls_for_a_while() {
    let cluster = one_server(&[("TROUPE_SERVER__HEADER_TIMEOUT", "1s"), ("TROUPE_SERVER__IDLE_TIMEOUT", "10m")]).await;
    let mut idle = RawConnection::open(cluster.server(0)).await;
    idle.send(HEALTH).await;
    assert_eq!(idle.answer().await.status, 200);
    // By the time that another has been closed for its silence, this one would have been too.
    let mut silent = RawConnection::open(cluster.server(0)).await;
    silent.hung_up().await;
    let mut silent = RawConnection::open(cluster.server(0)).await;
    silent.hung_up().await;
    idle.send(HEALTH).await;
    assert_eq!(idle.answer().await.status, 200);

    let cluster = one_server(&[("TROUPE_SERVER__IDLE_TIMEOUT", "200ms")]).await;
    let mut idle = RawConnection::open(cluster.server(0)).await;
    idle.send(HEALTH).await;
    assert_eq!(idle.answer().await.status, 200);
    assert_eq!(idle.hung_up().await, b"");
}

#[tokio::test]
async fn heads_and_addresses_have_a_size() {
    let cluster = one_server(&[("TROUPE_SERVER__MAX_URL", "1000"), ("TROUPE_SERVER__MAX_HEADER", "8192")]).await;
    let head = |path: &str, headers: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
    let cases = [
        ("a large header", head("/health", &format!("x: {}\r\n", "y".repeat(9_000))), 431),
        ("a head without end", format!("GET /health HTTP/1.1\r\nx: {}", "y".repeat(40_000)), 431),
        ("many headers", head("/health", &"x: y\r\n".repeat(100)), 431),
        ("not quite so many", head("/health", &"x: y\r\n".repeat(99)), 200),
        ("a long address", head(&format!("/health?{}", "x".repeat(1_000)), ""), 414),
        ("a long address of nothing", head(&format!("/{}", "x".repeat(1_000)), ""), 414),
        ("not quite so long", head(&format!("/health?{}", "x".repeat(992)), ""), 200),
    ];
    for (name, call, status) in cases {
        let mut connection = RawConnection::open(cluster.server(0)).await;
        _ = connection.try_send(call).await;
        let answer = connection.answer().await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        if status == 414 {
            assert_eq!(answer.code(), "url_too_long");
        }
    }
    cluster.assert_quiet().await;
}

/// A body that does not come is answered, and nothing of it is done; on every address that takes one.
#[tokio::test]
async fn a_body_must_come_in_time() {
    let times = [("TROUPE_SERVER__BODY_TIMEOUT", "500ms"), ("TROUPE_SERVER__UPLOAD_TIMEOUT", "500ms")];
    let cluster = one_server(&times).await;
    let user = cluster.client(0).await;
    let persona = json!({"slug": "slow", "name": "Slow", "system_prompt": "You are slow.", "visibility": "private"});
    user.post("/api/v1/personas", &persona).await.expect(201);
    for (path, content_type, key) in [
        ("/api/v1/conversations", "application/json", ""),
        ("/api/v1/conversations", "application/json", "idempotency-key: k\r\n"),
        ("/api/v1/auth/login", "application/json", ""),
        ("/api/v1/personas/slow/documents", "text/plain", ""),
        ("/api/v1/personas/slow/responses/import", "text/csv", ""),
    ] {
        let mut connection = RawConnection::open(cluster.server(0)).await;
        let token = &user.token;
        connection
            .send(format!(
                "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: {content_type}\r\n\
                 {key}content-length: 20\r\n\r\n{{"
            ))
            .await;
        let answer = connection.answer().await;
        assert_eq!((answer.status, answer.code().as_str()), (408, "body_too_slow"), "{path}");
        assert_eq!(answer.header("connection"), "close", "{path}");
        connection.hung_up().await;
    }
    assert_eq!(cluster.count("conversations").await, 0);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn packed_and_broken_and_bottomless_bodies_are_refused() {
    let cluster = one_server(&[]).await;
    let user = cluster.client(0).await;
    let sound = json!({"persona": "demo"}).to_string();
    for encoding in ["gzip", "br", "deflate", "zstd", "identity, gzip", "x"] {
        let call = user.call(Method::POST, "/api/v1/conversations").header("content-encoding", encoding);
        let answer = user.answer(call.header("content-type", "application/json").body(sound.clone())).await;
        assert_eq!(answer.problem(415)["code"], "unsupported_media_type", "{encoding}");
    }
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(20_000), close.repeat(20_000));
    let bottomless = [
        deep("[", "]"),
        format!("{{\"persona\": {}}}", deep("[", "]")),
        format!("{{\"persona\": \"demo\", \"unknown\": {}}}", deep("{\"a\":", "}").replacen('}', "1}", 1)),
        format!("{{\"persona\": \"demo\", \"title\": {}", "[".repeat(100_000)),
    ];
    for body in bottomless {
        let call = user.call(Method::POST, "/api/v1/conversations").header("content-type", "application/json");
        let answer = user.answer(call.body(body)).await;
        assert!([400, 422].contains(&answer.status.as_u16()), "{}", answer.text);
        answer.problem(answer.status.as_u16());
    }
    let mut chunked = RawConnection::open(cluster.server(0)).await;
    let token = &user.token;
    chunked
        .send(format!(
            "POST /api/v1/conversations HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nno length\r\n"
        ))
        .await;
    assert_eq!(chunked.answer().await.code(), "malformed_json");
    assert_eq!(cluster.count("conversations").await, 0);

    let mut socket = user.socket().await;
    for text in [
        deep("[", "]"),
        format!("{{\"type\": {}}}", deep("[", "]")),
        format!("{{\"type\":\"ping\",\"x\":{}}}", deep("[", "]")),
    ] {
        // Longer than a frame may be: what fits is cut at a depth of some thousands.
        let text: String = text.chars().take(60_000).collect();
        socket.send_raw(Message::text(text)).await.unwrap();
    }
    socket.send(&json!({"type": "ping"})).await;
    socket.wait_for("the pong after it all", |frame| frame["type"] == "pong").await;
    cluster.assert_quiet().await;
}

/// Calls have so many places, and those that wait, follow or export have others.
#[tokio::test]
async fn calls_that_wait_take_no_places_from_the_others() {
    let cluster = ClusterOptions::default()
        .servers(1)
        .workers(1)
        .set("TROUPE_SERVER__MAX_CALLS", "2")
        .set("TROUPE_SERVER__MAX_WAITING", "5")
        .set("TROUPE_SERVER__WAITING_PER_USER", "3")
        .start()
        .await;
    let (user, other) = (cluster.client(0).await, cluster.client(0).await);
    let gate = Gate::new();
    cluster.provider.on("Tell me", [Script::gated(["One ", "two"], &gate)]);
    let conversation = user.conversation("demo").await;
    let sent = user.send(&conversation, "Tell me").await;
    gate.release(1);
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut stream = user.events(&sent.request, None).await;
        stream.until(|event| event.event == "reply.delta").await;
        streams.push(stream);
    }
    let waiting = format!("/api/v1/requests/{}?wait=30", sent.request);
    let wait = placed(&user, &waiting, 429);
    let meanwhile = async {
        // Three wait, more than there are places for calls: everything else goes on.
        let refused = turned_away(&user, &waiting).await;
        assert_eq!(refused.problem(429)["code"], "too_many_requests");
        assert_ne!(refused.header("retry-after"), "");
        for _ in 0..5 {
            user.get("/api/v1/auth/me").await.expect(200);
            other.get("/api/v1/auth/me").await.expect(200);
        }
        // One of another user finds a place, as long as there are any.
        let theirs = other.conversation("demo").await;
        other.ask(&theirs, "Hello").await;
        gate.open();
    };
    let (answer, ()) = tokio::join!(wait, meanwhile);
    assert_eq!(answer.expect(200)["status"], "completed");
    for stream in streams {
        assert_eq!(stream.rest().await.last().expect("the rest").event, "reply.completed");
    }
    // The places are free again.
    user.get(&waiting).await.expect(200);
    cluster.assert_quiet().await;
}

/// The first answer to a call that is not turned away: others may have been there before it.
async fn placed(user: &Client, path: &str, turned_away: u16) -> Answer {
    loop {
        let answer = user.get(path).await;
        if answer.status != turned_away || answer.body["code"] == "timed_out" {
            return answer;
        }
    }
}

/// The first look that is turned away. Until all the places are taken a look just ends, so it asks not to wait for
/// long.
async fn turned_away(user: &Client, waiting: &str) -> Answer {
    let briefly = waiting.replace("wait=30", "wait=1");
    within("a call that finds no place", async {
        loop {
            let answer = user.get(&briefly).await;
            if answer.status != 200 {
                return answer;
            }
        }
    })
    .await
}

/// Calls that hang in PostgreSQL fill their places; the next is told so at once, and those that hang are told when
/// their time is up.
#[tokio::test]
async fn a_full_server_says_so_and_a_call_has_its_time() {
    let cluster = one_server(&[
        ("TROUPE_SERVER__MAX_CALLS", "2"),
        ("TROUPE_SERVER__CALL_TIMEOUT", "5s"),
        ("TROUPE_SERVER__BODY_TIMEOUT", "1s"),
    ])
    .await;
    let user = cluster.client(0).await;
    let mut lock = cluster.db.begin().await.unwrap();
    sqlx::query("lock table personas in access exclusive mode").execute(&mut *lock).await.unwrap();
    let hanging = join_all((0..2).map(|_| placed(&user, "/api/v1/personas", 503)));
    let meanwhile = async {
        let refused = within("a call that finds no place", async {
            loop {
                let answer = user.get("/api/v1/auth/me").await;
                if answer.status != 200 {
                    return answer;
                }
            }
        })
        .await;
        assert_eq!(refused.problem(503)["code"], "overloaded");
        assert_ne!(refused.header("retry-after"), "");
        // Whoever looks after the process is answered.
        assert_eq!(user.get("/health").await.expect(200)["status"], "ok");
    };
    let (hanging, ()) = tokio::join!(hanging, meanwhile);
    for answer in hanging {
        assert_eq!(answer.problem(503)["code"], "timed_out");
        assert_eq!(answer.body["retryable"], true);
    }
    lock.rollback().await.unwrap();
    user.get("/api/v1/personas").await.expect(200);
    cluster.assert_quiet().await;
}

/// One connection too many is told so and closed, sockets counted; when one has ended there is room again.
#[tokio::test]
async fn connections_are_bounded() {
    let cluster = one_server(&[("TROUPE_SERVER__MAX_CONNECTIONS", "3")]).await;
    let user = cluster.client(0).await;
    let mut open = Vec::new();
    let refused = within("a connection that is one too many", async {
        loop {
            let mut connection = RawConnection::open(cluster.server(0)).await;
            connection.send(HEALTH).await;
            let answer = connection.answer().await;
            if answer.status != 200 {
                connection.hung_up().await;
                return answer;
            }
            open.push(connection);
        }
    })
    .await;
    assert!(open.len() <= 3, "{} are open", open.len());
    assert_eq!((refused.status, refused.code().as_str()), (503, "overloaded"));
    assert_ne!(refused.header("retry-after"), "");
    drop(open);
    let me = within("room again", async {
        loop {
            let answer = user.get("/api/v1/auth/me").await;
            if answer.status == 200 {
                return answer.body;
            }
        }
    });
    assert_eq!(me.await["email"], Value::from(user.email.as_str()));
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_socket_that_floods_is_closed_and_another_is_not() {
    let settings = [("TROUPE_RATE_LIMITS__ENABLED", "true"), ("TROUPE_RATE_LIMITS__SOCKET_FRAMES", "10")];
    let cluster = one_server(&settings).await;
    let user = cluster.client(0).await;
    let (mut flood, mut calm) = (user.socket().await, user.socket().await);
    // Nearly as many as there may be at once.
    for _ in 0..39 {
        calm.send(&json!({"type": "ping"})).await;
    }
    assert!(calm.comes_to(|frames| frames.iter().filter(|frame| frame.json["type"] == "pong").count() == 39).await);
    for _ in 0..1_000 {
        if flood.send_raw(Message::Ping(Vec::new().into())).await.is_err() {
            break;
        }
    }
    assert_eq!(flood.closed().await, End::Code(4501));
    calm.send(&json!({"type": "ping"})).await;
    assert!(calm.comes_to(|frames| frames.iter().filter(|frame| frame.json["type"] == "pong").count() == 40).await);
    cluster.assert_quiet().await;
}
