//! What a socket takes, and how it is opened.

use futures::{StreamExt, future::join_all};
use serde_json::{Value, json};
use tokio::{
    io::AsyncReadExt,
    net::{TcpSocket, TcpStream},
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, handshake::client::Request, http::Response},
};
use troupe_tests::{
    Client, ClusterOptions, Gate, Script, Socket,
    provider::default_reply,
    socket::{End, upgrade},
    within,
};

use crate::{cluster, small_cluster};

#[tokio::test]
async fn a_message_can_be_sent_over_the_socket() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    let mut socket = user.socket().await;
    let elsewhere = user.at(cluster.server(1)).socket().await;
    let message =
        json!({"type": "message.send", "ref": "mine-1", "conversation_id": conversation, "content": "Über 🌊?"});
    socket.send(&message).await;
    let accepted = socket.wait_for("message.accepted", |f| f["type"] == "message.accepted").await;
    assert_eq!(accepted["ref"], "mine-1");
    assert_eq!(accepted["message"]["content"], "Über 🌊?");
    let request = accepted["request"]["id"].as_str().unwrap();
    for socket in [&socket, &elsewhere] {
        socket.ended(request).await;
        assert_eq!(socket.transcript(request).completed(), default_reply("Über 🌊?"));
    }
    assert!(elsewhere.frames().iter().all(|frame| frame.json["type"] != "message.accepted"));
    socket.send(&json!({"type": "ping"})).await;
    socket.wait_for("pong", |frame| frame["type"] == "pong").await;
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn what_a_socket_cannot_read_is_answered_and_the_socket_stays() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let stranger = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    let theirs = stranger.conversation("demo").await;
    let mut socket = user.socket().await;
    let message_with = |changes: &Value| {
        let mut message =
            json!({"type": "message.send", "ref": "r", "conversation_id": conversation, "content": "Hello"});
        for (key, value) in changes.as_object().unwrap() {
            message[key] = value.clone();
        }
        message.to_string()
    };
    let without = |key: &str| {
        let mut message: Value = serde_json::from_str(&message_with(&json!({}))).unwrap();
        message.as_object_mut().unwrap().remove(key);
        message.to_string()
    };
    let cases = [
        ("not JSON", "{\"type\":".to_owned(), "malformed_json", ""),
        ("no object", "[1]".to_owned(), "invalid", ""),
        ("no type", "{}".to_owned(), "invalid", ""),
        ("unknown type", json!({"type": "message.shout", "ref": "r"}).to_string(), "invalid", ""),
        ("no ref", without("ref"), "invalid", "ref"),
        ("no content", without("content"), "invalid", "content"),
        ("no conversation", without("conversation_id"), "invalid", "conversation_id"),
        ("unknown field", message_with(&json!({"colour": 1})), "invalid", "colour"),
        ("ref of another type", message_with(&json!({"ref": 5})), "invalid", "ref"),
        ("content of another type", message_with(&json!({"content": ["a"]})), "invalid", "content"),
        ("an id that is none", message_with(&json!({"conversation_id": "one"})), "invalid", "conversation_id"),
        ("empty content", message_with(&json!({"content": ""})), "invalid", "content"),
        ("blank content", message_with(&json!({"content": " \n\t "})), "invalid", "content"),
        ("a zero character", message_with(&json!({"content": "a\u{0}b"})), "invalid", "content"),
        ("content too long", message_with(&json!({"content": "x".repeat(32_769)})), "content_too_long", "content"),
        ("nobody's conversation", message_with(&json!({"conversation_id": stranger.user["id"]})), "not_found", ""),
        ("another's conversation", message_with(&json!({"conversation_id": theirs})), "not_found", ""),
        ("unknown field in ping", json!({"type": "ping", "x": 1}).to_string(), "invalid", ""),
    ];
    let stored = (cluster.count("messages").await, cluster.count("requests").await);
    for (n, (name, text, code, field)) in cases.iter().enumerate() {
        socket.send_raw(Message::text(text.clone())).await.expect("the socket stays");
        let errors = |frames: Vec<troupe_tests::socket::TextFrame>| {
            frames.into_iter().map(|frame| frame.json).filter(|json| json["type"] == "error").collect::<Vec<_>>()
        };
        socket.wait_for(name, |_| errors(socket.frames()).len() > n).await;
        let error = errors(socket.frames()).swap_remove(n);
        assert_eq!(error["error"]["code"], *code, "{name}: {error}");
        for key in ["type", "title", "detail", "request_id"] {
            assert!(error["error"][key].is_string(), "{name}: {key} in {error}");
        }
        assert_eq!(error["error"]["retryable"], false, "{name}: {error}");
        if text.contains(r#""ref":"r""#) {
            assert_eq!(error["ref"], "r", "{name}: {error}");
        }
        if !field.is_empty() {
            assert_eq!(error["error"]["errors"][0]["field"], *field, "{name}: {error}");
        }
    }
    assert_eq!((cluster.count("messages").await, cluster.count("requests").await), stored, "nothing was stored");
    let sent = user.send(&conversation, "Still here?").await;
    socket.ended(&sent.request).await;
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_socket_that_misbehaves_is_closed_and_nobody_else_notices() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    let witness = user.socket().await;
    let cases = [
        ("binary", Message::binary(vec![0_u8, 1, 2])),
        ("huge", Message::text("x".repeat(8 << 20))),
        ("huge and empty", Message::text(" ".repeat(2 << 20))),
    ];
    for (name, message) in cases {
        let mut socket = user.socket().await;
        // The other side may close before all of it is written.
        _ = socket.send_raw(message).await;
        match socket.closed().await {
            End::Code(code) => assert!((4000..5000).contains(&code) || code == 1009, "{name}: {code}"),
            // What is still being written when the connection is closed resets it, and a code is lost with that.
            End::Broken => assert_ne!(name, "binary"),
        }
    }
    let sent = user.send(&conversation, "All well?").await;
    witness.ended(&sent.request).await;
    assert_eq!(witness.transcript(&sent.request).completed(), default_reply("All well?"));
    cluster.assert_quiet().await;
}

/// The status with which an upgrade was refused.
fn refusal(opened: Result<Socket, Box<Error>>) -> Response<Option<Vec<u8>>> {
    match opened.map(drop).map_err(|error| *error) {
        Err(Error::Http(response)) => *response,
        other => panic!("the upgrade was not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_socket_needs_credentials_and_a_ticket_opens_one() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let base = cluster.server(0);
    let answer = user.post("/api/v1/ws-tickets", &Value::Null).await.expect(201);
    let ticket = answer["ticket"].as_str().expect("a ticket");
    assert!(answer["expires_in"].as_u64().is_some_and(|seconds| seconds > 0));
    let protocols = format!("troupe.v1, ticket.{ticket}");

    let (socket, response) = Socket::with_protocols(base, &protocols).await.expect("a socket for a ticket");
    assert_eq!(response.headers()["sec-websocket-protocol"], "troupe.v1", "the ticket is not repeated");
    socket.hello().await;
    let sent = user.send(&user.conversation("demo").await, "Mine?").await;
    socket.ended(&sent.request).await;

    let again = Socket::with_protocols(base, &protocols).await.map(|(socket, _)| socket);
    assert_eq!(refusal(again).status(), 401, "a ticket opens one socket");
    let stored: Vec<u8> = sqlx::query_scalar(
        "insert into socket_tickets (digest, user_id, identity, expires_at)
         values (sha256('stale'), $1::uuid, '{}', now() - interval '1s') returning digest",
    )
    .bind(user.user["id"].as_str())
    .fetch_one(&cluster.db)
    .await
    .unwrap();
    assert_eq!(stored.len(), 32);
    for protocols in
        ["troupe.v1", "troupe.v1, ticket.", "troupe.v1, ticket.stale", "troupe.v1, ticket.guessed", "ticket"]
    {
        let opened = Socket::with_protocols(base, protocols).await.map(|(socket, _)| socket);
        assert_eq!(refusal(opened).status(), 401, "{protocols}");
    }
    for query in
        [format!("?token={}", user.token), format!("?access_token={}", user.token), format!("?ticket={ticket}")]
    {
        let status = refusal(Socket::connect(upgrade(base, &query)).await).status().as_u16();
        assert!(status == 401 || status == 422, "{query} was answered with {status}");
    }
    let mut forged = upgrade(base, "");
    forged.headers_mut().insert("authorization", "Bearer a.b.c".parse().unwrap());
    let response = refusal(Socket::connect(forged).await);
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (401, &"application/problem+json".parse().unwrap())
    );

    user.get("/api/v1/ws").await.problem(400);
    Client::anonymous(base).get("/api/v1/ws").await.problem(401);
    let mut odd = upgrade(base, "?after=nothing");
    odd.headers_mut().insert("authorization", format!("Bearer {}", user.token).parse().unwrap());
    assert_eq!(refusal(Socket::connect(odd).await).status(), 422);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn many_sockets_of_one_user_all_hear_the_same() {
    let cluster = ClusterOptions::default().set("TROUPE_SERVER__SOCKETS_PER_USER", "100").start().await;
    let user = cluster.client(0).await;
    let mut sockets = Vec::new();
    for n in 0..40 {
        sockets.push(user.at(cluster.server(n % 2)).socket().await);
    }
    let conversation = user.conversation("demo").await;
    let sent = user.send(&conversation, "To all of you").await;
    for socket in &sockets {
        socket.ended(&sent.request).await;
        assert_eq!(socket.transcript(&sent.request).completed(), default_reply("To all of you"));
    }
    drop(sockets);
    // Whoever comes when the last one has gone is heard as well: the subscription is made anew.
    let again = user.socket().await;
    let sent = user.send(&conversation, "And now?").await;
    again.ended(&sent.request).await;
    assert_eq!(again.transcript(&sent.request).completed(), default_reply("And now?"));
    cluster.assert_quiet().await;
}

/// A socket that is open and not read from. The bytes that it was sent wait in the connection.
async fn deaf_socket(user: &Client) -> WebSocketStream<TcpStream> {
    let connection = TcpSocket::new_v4().unwrap();
    connection.set_recv_buffer_size(16 << 10).unwrap();
    let address = user.base().strip_prefix("http://").unwrap().parse().unwrap();
    let connection = within("a connection", connection.connect(address)).await.unwrap();
    let mut request = upgrade(user.base(), "");
    request.headers_mut().insert("authorization", format!("Bearer {}", user.token).parse().unwrap());
    within("a socket's opening", client_async(request, connection)).await.unwrap().0
}

#[tokio::test]
async fn a_socket_that_does_not_keep_up_is_told_so_and_holds_nobody_up() {
    let cluster = ClusterOptions::default()
        .set("TROUPE_SERVER__SESSION_BACKLOG", "16")
        .set("TROUPE_WORKER__COALESCE", "1ms")
        .start()
        .await;
    let user = cluster.client(0).await;
    let mut deaf = deaf_socket(&user).await;
    let hearing = user.socket().await;
    let gate = Gate::new();
    let chunk = "x".repeat(100_000);
    cluster.provider.on("At length", [Script::gated(vec![chunk.clone(); 100], &gate)]);
    let sent = user.send(&user.conversation("demo").await, "At length").await;
    for n in 1..=100 {
        gate.release(1);
        hearing.wait_for_transcript(&sent.request, "the next part", |t| t.text.len() >= n * chunk.len()).await;
    }
    gate.open();
    hearing.ended(&sent.request).await;
    assert_eq!(hearing.transcript(&sent.request).completed().len(), 100 * chunk.len());

    let mut last = None;
    while let Some(Ok(message)) = within("the end of the deaf socket", deaf.next()).await {
        last = Some(message);
    }
    let Some(Message::Close(Some(close))) = last else { panic!("it was not closed, but heard {last:?} last") };
    assert_eq!(u16::from(close.code), 4008);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_socket_that_answers_no_ping_is_given_up() {
    let cluster = ClusterOptions::default().workers(1).set("TROUPE_SERVER__PING_INTERVAL", "500ms").start().await;
    let user = cluster.client(0).await;
    let answering = user.at(cluster.server(1)).socket().await;
    // Below the protocol nothing answers.
    let mut connection = deaf_socket(&user).await.into_inner();
    let mut received = Vec::new();
    within("the end of the connection", connection.read_to_end(&mut received)).await.unwrap();
    assert!(
        received.windows(2).filter(|pair| pair == &[0x89, 0x00]).count() >= 2,
        "it was pinged before: {received:?}"
    );
    assert_eq!(answering.end(), None, "whoever answers stays");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_user_has_so_many_sockets_and_a_process_too() {
    let options = ClusterOptions::default()
        .servers(1)
        .workers(0)
        .set("TROUPE_SERVER__SOCKETS_PER_USER", "2")
        .set("TROUPE_SERVER__MAX_SOCKETS", "3");
    let cluster = options.start().await;
    let user = cluster.client(0).await;
    let (one, two) = (user.socket().await, user.socket().await);
    let third = Socket::connect(authorized(&user)).await.expect("an upgrade");
    assert_eq!(third.closed().await, End::Code(4009));
    let other = cluster.client(0).await;
    let _theirs = other.socket().await;
    let refused = other.get("/api/v1/ws").await;
    assert_eq!(refused.status, 400, "a call that is no upgrade is told so first: {}", refused.text);
    let Err(refused) = Socket::connect(authorized(&other)).await else { panic!("a fourth socket was opened") };
    let Error::Http(refused) = *refused else { panic!("{refused:?}") };
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    drop(one);
    // Its place is free when the server has seen that it is gone.
    within(
        "a free place",
        Box::pin(async {
            loop {
                match Socket::connect(authorized(&user)).await {
                    Ok(socket) if socket.greeted().await => return,
                    _ => tokio::task::yield_now().await,
                }
            }
        }),
    )
    .await;
    drop(two);
    cluster.assert_quiet().await;
}

/// An upgrade with the user's token.
fn authorized(user: &Client) -> Request {
    let mut request = upgrade(user.base(), "");
    let bearer = format!("Bearer {}", user.token).parse().expect("a header");
    request.headers_mut().insert("authorization", bearer);
    request
}

#[tokio::test]
async fn a_socket_is_told_when_live_updates_are_delayed_and_when_they_are_not() {
    let cluster = ClusterOptions::default().own_engines().servers(1).workers(1).start().await;
    let user = cluster.client(0).await;
    let socket = user.socket().await;
    cluster.redis(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    let notice = socket.wait_for("a notice", |frame| frame["type"] == "notice").await;
    assert_eq!(notice["code"], "live_delayed");
    let hellos = |frames: Vec<troupe_tests::socket::TextFrame>| {
        frames.iter().filter(|frame| frame.json["type"] == "hello").count()
    };
    socket.wait_for("a second hello", |_| hellos(socket.frames()) == 2).await;
    let conversation = user.conversation("demo").await;
    let sent = user.send(&conversation, "Over the socket?").await;
    socket.ended(&sent.request).await;
    assert_eq!(socket.transcript(&sent.request).completed(), default_reply("Over the socket?"));
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_user_with_fifty_running_replies_gets_a_whole_hello() {
    let options = ClusterOptions::default().servers(1).workers(1).set("TROUPE_QUEUE__USER_AT_ONCE", "64");
    let cluster = options.start().await;
    let user = cluster.client(0).await;
    let gate = Gate::new();
    let conversations = join_all((0..50).map(|_| user.conversation("demo"))).await;
    let mut requests = Vec::new();
    for (n, conversation) in conversations.iter().enumerate() {
        let question = format!("Tell me {n}");
        cluster.provider.on(&question, [Script::gated([format!("Reply {n} "), "and its end".to_owned()], &gate)]);
        requests.push(user.send(conversation, &question).await.request);
    }
    gate.reached(50).await;
    gate.release(50);
    gate.reached(100).await;
    let early = user.socket().await;
    for (n, request) in requests.iter().enumerate() {
        early.shown(request, &format!("Reply {n} ")).await;
    }
    let late = user.socket().await;
    let hello = late.hello().await;
    assert_eq!(hello["active"].as_array().unwrap().len(), 50);
    gate.open();
    for (n, request) in requests.iter().enumerate() {
        for socket in [&early, &late] {
            socket.ended(request).await;
            assert_eq!(socket.transcript(request).completed(), format!("Reply {n} and its end"));
        }
    }
    cluster.assert_quiet().await;
}
