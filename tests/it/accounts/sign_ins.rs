//! Staying signed in, and being signed out: tokens, sessions, and the sockets that hang on them.

use reqwest::{Method, header::SET_COOKIE};
use serde_json::{Value, json};
use sqlx::Executor;
use troupe_tests::{
    Answer, Client, ClusterOptions, Gate, Script, Signal, Socket,
    client::PASSWORD,
    socket::{End, upgrade},
    within,
};

use crate::{cluster, operations::admin::admin, small_cluster};

async fn login(client: &Client, session: bool) -> Answer {
    let body = json!({"email": client.email, "password": PASSWORD, "session": session});
    let call = client.with_token("").call(Method::POST, "/api/v1/auth/login").json(&body);
    client.answer(call.header("sec-fetch-site", "same-origin")).await
}

async fn refresh(client: &Client, token: &str) -> Answer {
    client.with_token("").post("/api/v1/auth/refresh", &json!({ "refresh_token": token })).await
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

/// What a browser sends back of a cookie.
fn cookie(answer: &Answer) -> String {
    let set = answer.headers.get(SET_COOKIE).expect("a cookie").to_str().expect("text");
    assert!(set.contains("; HttpOnly; SameSite=Strict"), "{set}");
    set.split(';').next().expect("a pair").to_owned()
}

/// A call as this service's own page makes it.
async fn by_cookie(client: &Client, method: Method, path: &str, cookie: &str) -> Answer {
    let call = client.with_token("").call(method, path).header("cookie", cookie);
    client.answer(call.header("sec-fetch-site", "same-origin")).await
}

#[tokio::test]
async fn a_refresh_token_is_used_once_on_any_server() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let there = user.at(cluster.server(1));
    let first = login(&user, false).await.expect(200);
    let second = refresh(&there, &text(&first["refresh_token"])).await.expect(200);
    let third = refresh(&user, &text(&second["refresh_token"])).await.expect(200);
    for tokens in [&first, &second, &third] {
        let now = user.with_token(tokens["access_token"].as_str().unwrap());
        assert_eq!(now.get("/api/v1/auth/me").await.expect(200), user.user);
        assert!(tokens["expires_in"].as_u64().is_some_and(|seconds| (1..=900).contains(&seconds)));
    }
    for wrong in ["", "x", third["access_token"].as_str().unwrap(), &"é".repeat(40)] {
        refresh(&user, wrong).await.problem(401);
    }
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_refresh_token_that_was_copied_ends_the_sign_in() {
    let options = ClusterOptions::default().servers(2).workers(1).set("TROUPE_AUTH__REFRESH_GRACE", "0s");
    let cluster = options.start().await;
    let user = cluster.client(0).await;
    let first = login(&user, false).await.expect(200);
    let thief = refresh(&user, &text(&first["refresh_token"])).await.expect(200);
    let victim = user.with_token(&text(&first["access_token"]));
    let socket = victim.at(cluster.server(1)).socket().await;
    let again = refresh(&user.at(cluster.server(1)), &text(&first["refresh_token"])).await;
    assert!(again.problem(401)["detail"].as_str().unwrap().contains("used before"), "{}", again.text);
    refresh(&user, &text(&thief["refresh_token"])).await.problem(401);
    assert_eq!(socket.closed().await, End::Code(4001));
    // The other server hears of it, too; the user's other sign-in goes on.
    within("the end of the copied token", async {
        while user.with_token(thief["access_token"].as_str().unwrap()).get("/api/v1/auth/me").await.status != 401 {}
    })
    .await;
    user.get("/api/v1/auth/me").await.expect(200);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn an_answer_that_was_lost_may_be_asked_for_again() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let first = text(&login(&user, false).await.expect(200)["refresh_token"]);
    let lost = text(&refresh(&user, &first).await.expect(200)["refresh_token"]);
    let next = text(&refresh(&user, &first).await.expect(200)["refresh_token"]);
    assert_ne!(lost, next);
    refresh(&user, &next).await.expect(200);
    // Now that one of them was used, the first can only be a copy.
    refresh(&user, &first).await.problem(401);
    refresh(&user, &lost).await.problem(401);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_browser_has_a_session_that_only_our_own_pages_can_use() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let signed_in = login(&user, true).await;
    let cookie = cookie(&signed_in);
    assert_eq!(signed_in.body, json!({ "user": user.user }), "no token for scripts");
    for server in 0..2 {
        let here = user.at(cluster.server(server));
        let me = by_cookie(&here, Method::GET, "/api/v1/auth/me", &cookie).await;
        assert_eq!(me.expect(200), user.user);
        let browser = here.with_token("");
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "https://evil.example"),
            ("origin", "null"),
        ] {
            let call = browser.call(Method::POST, "/api/v1/conversations").header("cookie", &cookie);
            let refused = browser.answer(call.header(name, value).json(&json!({"persona": "demo"}))).await;
            assert_eq!(refused.problem(403)["code"], "cross_site", "{name}: {value}");
        }
        let plain = browser.call(Method::POST, "/api/v1/conversations").header("cookie", &cookie);
        browser.answer(plain.json(&json!({"persona": "demo"}))).await.problem(403);
        // A socket that another site's page opens, with the cookie that the browser adds.
        let mut request = upgrade(cluster.server(server), "");
        request.headers_mut().insert("cookie", cookie.parse().unwrap());
        request.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
        assert!(Socket::connect(request.clone()).await.is_err());
        request.headers_mut().insert("origin", cluster.server(server).parse().unwrap());
        let socket = Socket::connect(request).await.expect("a socket of our own page");
        assert!(socket.greeted().await);
    }
    assert_eq!(cluster.count("conversations").await, 0);
    for wrong in ["troupe_session=x", "troupe_session=", &format!("{cookie}x"), &cookie.replace('.', "")] {
        by_cookie(&user, Method::GET, "/api/v1/auth/me", wrong).await.problem(401);
    }
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn whoever_signs_out_is_out_everywhere() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let there = user.at(cluster.server(1));
    let mine = cookie(&login(&user, true).await);
    let token = text(&login(&user, false).await.expect(200)["access_token"]);
    let all = by_cookie(&user, Method::GET, "/api/v1/auth/sign-ins", &mine).await.expect(200);
    let all = all.as_array().expect("a list").clone();
    assert_eq!(all.len(), 3, "registered, signed in twice: {all:?}");
    let current: Vec<_> = all.iter().filter(|sign_in| sign_in["current"] == true).collect();
    assert!(current.len() == 1 && current[0]["kind"] == "session", "{all:?}");

    // One of them is ended by its id, on the other server.
    let program = there.with_token(&token);
    let socket = program.socket().await;
    let conversation = program.conversation("demo").await;
    let gate = Gate::new();
    cluster.provider.on("Tell me", [Script::gated(["One ", "two"], &gate)]);
    let sent = program.send(&conversation, "Tell me").await;
    let followed = program.events(&sent.request, None).await;
    let id = text(
        &program
            .get("/api/v1/auth/sign-ins")
            .await
            .expect(200)
            .as_array()
            .unwrap()
            .iter()
            .find(|s| s["current"] == true)
            .unwrap()["id"],
    );
    let stranger = cluster.client(0).await;
    stranger.delete(&format!("/api/v1/auth/sign-ins/{id}")).await.problem(404);
    let ended = by_cookie(&user, Method::DELETE, &format!("/api/v1/auth/sign-ins/{id}"), &mine).await;
    assert_eq!(ended.status, 204);
    assert_eq!(socket.closed().await, End::Code(4001));
    let seen = followed.rest().await;
    assert!(seen.iter().all(|event| event.event != "reply.completed"), "{seen:?}");
    gate.open();
    user.reply(&sent.request).await;
    within("the end of the token", async { while program.get("/api/v1/auth/me").await.status != 401 {} }).await;

    // The browser signs out: the cookie is of no use any more, on no server.
    let ticket = by_cookie(&there, Method::POST, "/api/v1/ws-tickets", &mine).await.expect(201);
    let protocols = format!("troupe.v1, ticket.{}", ticket["ticket"].as_str().unwrap());
    let (page, _) = Socket::with_protocols(cluster.server(1), &protocols).await.expect("a socket");
    assert!(page.greeted().await);
    let out = by_cookie(&user, Method::POST, "/api/v1/auth/logout", &mine).await;
    assert_eq!(out.status, 204);
    assert!(out.headers.get(SET_COOKIE).unwrap().to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(page.closed().await, End::Code(4001));
    for server in [&user, &there] {
        by_cookie(server, Method::GET, "/api/v1/auth/me", &mine).await.problem(401);
    }
    // And the one that is left ends all others, of which there are none.
    assert_eq!(user.delete("/api/v1/auth/sign-ins").await.status, 204);
    assert_eq!(user.get("/api/v1/auth/sign-ins").await.expect(200).as_array().map(Vec::len), Some(1));
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_session_that_is_not_used_ends_and_one_that_is_used_ends_in_the_end() {
    let options = ClusterOptions::default().servers(1).workers(1);
    let options = options.set("TROUPE_AUTH__SESSION_TTL", "2s").set("TROUPE_AUTH__ACCESS_TOKEN_TTL", "1s");
    let options = options.set("TROUPE_AUTH__REFRESH_TOKEN_TTL", "3s").set("TROUPE_AUTH__SIGN_IN_TTL", "5s");
    let cluster = options.start().await;
    let user = cluster.client(0).await;
    let mine = cookie(&login(&user, true).await);
    let begun = std::time::Instant::now();
    within("the session's end in spite of its use", async {
        while by_cookie(&user, Method::GET, "/api/v1/auth/me", &mine).await.status == 200 {}
    })
    .await;
    assert!(begun.elapsed().as_secs() >= 4, "it ended after {:?}, though it was used", begun.elapsed());
    // A socket of a session that nothing else uses closes when that ends.
    let unused = cookie(&login(&user, true).await);
    let ticket = by_cookie(&user, Method::POST, "/api/v1/ws-tickets", &unused).await.expect(201);
    let protocols = format!("troupe.v1, ticket.{}", ticket["ticket"].as_str().unwrap());
    let (socket, _) = Socket::with_protocols(cluster.server(0), &protocols).await.expect("a socket");
    assert_eq!(socket.closed().await, End::Code(4001));
    by_cookie(&user, Method::GET, "/api/v1/auth/me", &unused).await.problem(401);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn without_redis_tokens_count_and_sessions_wait() {
    let options =
        ClusterOptions::default().own_engines().servers(1).workers(1).set("TROUPE_REDIS__COMMAND_TIMEOUT", "500ms");
    let cluster = options.start().await;
    let user = cluster.client(0).await;
    let mine = cookie(&login(&user, true).await);
    cluster.freeze_redis(Signal::Stop);
    user.get("/api/v1/auth/me").await.expect(200);
    let waiting = by_cookie(&user, Method::GET, "/api/v1/auth/me", &mine).await;
    assert_eq!(waiting.problem(503)["retryable"], true);
    assert!(!waiting.header("retry-after").is_empty());
    login(&user, true).await.problem(503);
    let refreshed = login(&user, false).await.expect(200);
    refresh(&user, &text(&refreshed["refresh_token"])).await.expect(200);
    cluster.freeze_redis(Signal::Continue);
    within("the session, after Redis came back", async {
        while by_cookie(&user, Method::GET, "/api/v1/auth/me", &mine).await.status != 200 {}
    })
    .await;
}

/// Nobody waits for the time that Redis has to answer: where there is no connection, there is nothing to wait for.
#[tokio::test]
async fn where_redis_is_gone_sessions_are_refused_at_once() {
    let options =
        ClusterOptions::default().own_engines().servers(1).workers(0).set("TROUPE_REDIS__COMMAND_TIMEOUT", "5m");
    let mut cluster = options.start().await;
    let user = cluster.client(0).await;
    let mine = cookie(&login(&user, true).await);
    cluster.stop_redis().await;
    by_cookie(&user, Method::GET, "/api/v1/auth/me", &mine).await.problem(503);
    login(&user, true).await.problem(503);
    user.get("/api/v1/auth/sign-ins").await.problem(503);
    user.get("/api/v1/auth/me").await.expect(200);
    cluster.restart_redis().await;
    within("an answer that needs Redis", async {
        while by_cookie(&user, Method::GET, "/api/v1/auth/me", &mine).await.status != 401 {}
    })
    .await;
}

/// Another key signs from now on: what the earlier ones have signed is still good, on every server.
#[tokio::test]
async fn a_new_signing_key_signs_nobody_out() {
    let cluster = cluster().await;
    let admin = admin(&cluster).await;
    let user = cluster.client(1).await;
    let kid =
        |token: &str| text(&serde_json::from_slice::<Value>(&base64(token.split('.').next().unwrap())).unwrap()["kid"]);
    let before = kid(&user.token);
    cluster.client(0).await.post("/api/v1/admin/signing-keys", &json!({})).await.problem(403);
    let made = admin.post("/api/v1/admin/signing-keys", &json!({})).await.expect(201);
    let keys = admin.get("/api/v1/admin/signing-keys").await;
    assert!(!keys.text.contains("secret"), "{}", keys.text);
    assert_eq!(keys.expect(200).as_array().map(Vec::len), Some(2));
    assert_ne!(made["id"], before);
    // Not before every server can know it.
    let fresh = login(&user.at(cluster.server(0)), false).await.expect(200);
    assert_eq!(kid(fresh["access_token"].as_str().unwrap()), before);
    cluster.db.execute("update signing_keys set created_at = created_at - interval '1 minute'").await.unwrap();
    let fresh = within("a token signed with the new key", async {
        loop {
            let fresh = login(&user.at(cluster.server(0)), false).await.expect(200);
            if kid(fresh["access_token"].as_str().unwrap()) == text(&made["id"]) {
                return fresh;
            }
        }
    })
    .await;
    for server in 0..2 {
        for token in [user.token.as_str(), fresh["access_token"].as_str().unwrap()] {
            user.at(cluster.server(server)).with_token(token).get("/api/v1/auth/me").await.expect(200);
        }
    }
    cluster.assert_quiet().await;
}

fn base64(text: &str) -> Vec<u8> {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    BASE64_URL_SAFE_NO_PAD.decode(text).expect("base64")
}
