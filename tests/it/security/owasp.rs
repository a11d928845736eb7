//! The OWASP API security top ten (2023), each as an attack on a running server. What has a file of its own is named
//! here.

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use troupe_tests::{Client, ClusterOptions, Script, client::PASSWORD, within};

use crate::{cluster, operations::admin::admin, small_cluster};

/// Who open accounts at the same time.
const BOTS: i64 = 8;
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// A path with ids that could be anybody's.
fn filled(path: &str) -> String {
    let mut filled = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').expect("a closing brace");
        let id = if name.ends_with("id") { "00000000-0000-7000-8000-00000000000f" } else { "free" };
        filled = filled + before + id;
        rest = after;
    }
    filled + rest
}

// API1, broken object level authorization: each_others_ids.rs.

/// API2, broken authentication: guessing a password is slow and soon over, and never tells who has an account. (Forged
/// tokens: `bad_input.rs`; copied ones: `sign_ins.rs`.)
#[tokio::test]
async fn passwords_cannot_be_guessed_one_by_one() {
    let options = ClusterOptions::default().servers(2).workers(1).set("TROUPE_RATE_LIMITS__ENABLED", "true");
    let cluster = options.start().await;
    let user = cluster.client(0).await;
    let mut guesses = 0;
    let refused = within("an end of guessing", async {
        loop {
            let here = Client::anonymous(cluster.server(guesses % 2));
            let guess = json!({"email": user.email, "password": format!("guess number {guesses}")});
            let answer = here.post("/api/v1/auth/login", &guess).await;
            if answer.status == 429 {
                return answer;
            }
            assert_eq!(answer.problem(401)["detail"], "the address or the password is wrong");
            guesses += 1;
        }
    })
    .await;
    assert!(guesses <= 30, "{guesses} guesses were let through");
    assert!(refused.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0));
    // Whoever is signed in goes on.
    user.get("/api/v1/auth/me").await.expect(200);
}

/// API3, broken object property level authorization: nobody sets what is not theirs to set, or reads what is not theirs
/// to read.
#[tokio::test]
async fn nobody_writes_or_reads_properties_that_are_not_theirs() {
    let cluster = small_cluster().await;
    let owner = cluster.client(0).await;
    let register = |more: Value| {
        let mut body = json!({"email": "eve@example.com", "password": PASSWORD, "name": "Eve"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let persona = |more: Value| {
        let mut body = json!({"slug": "mine", "name": "Mine", "system_prompt": "A secret of the house."});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (path, body) in [
        ("/api/v1/auth/register", register(json!({"role": "admin"}))),
        ("/api/v1/auth/register", register(json!({"tier": "pro"}))),
        ("/api/v1/auth/register", register(json!({"kind": "service"}))),
        ("/api/v1/personas", persona(json!({"owner_id": owner.user["id"]}))),
        ("/api/v1/personas", persona(json!({"owned": true}))),
        ("/api/v1/conversations", json!({"persona": "demo", "user_id": owner.user["id"]})),
    ] {
        let field = body.as_object().unwrap().keys().next_back().unwrap().clone();
        let refused = owner.post(path, &body).await;
        assert_eq!(refused.problem(422)["code"], "invalid", "{path} took {field}");
    }
    assert_eq!(cluster.count("users where role = 'admin' or tier <> 'free' or kind <> 'person'").await, 0);
    // A public persona's prompt and chain are its owner's.
    owner.post("/api/v1/personas", &persona(json!({"visibility": "public"}))).await.expect(201);
    assert_eq!(owner.get("/api/v1/personas/mine").await.expect(200)["system_prompt"], "A secret of the house.");
    let stranger = cluster.client(0).await;
    for path in ["/api/v1/personas/mine", "/api/v1/personas?limit=100"] {
        let answer = stranger.get(path).await;
        assert_eq!(answer.status, 200);
        assert!(
            !answer.text.contains("A secret of the house") && !answer.text.contains(&owner.email),
            "{}",
            answer.text
        );
    }
    cluster.assert_quiet().await;
}

/// API4, unrestricted resource consumption: what is too much is refused before it costs anything. (Slow and endless
/// calls: `limits.rs`; floods: `rate_limits.rs`, `fairness.rs`.)
#[tokio::test]
async fn what_is_too_much_is_refused() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let deep = [
        format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)),
        format!("{}1{}", r#"{"persona":"#.repeat(10_000), "}".repeat(10_000)),
    ];
    for deep in deep {
        let call = user.call(Method::POST, "/api/v1/conversations").header("content-type", "application/json");
        let status = user.answer(call.body(deep)).await.status.as_u16();
        assert!(status == 400 || status == 422, "{status}");
    }
    let wide = json!({"name": "x".repeat(300_000), "slug": "wide", "system_prompt": "x"});
    user.post("/api/v1/personas", &wide).await.problem(413);
    for query in ["limit=1000000", "limit=-1", "limit=99999999999999999999"] {
        user.get(&format!("/api/v1/conversations?{query}")).await.problem(422);
    }
    let long = user.get(&format!("/api/v1/personas/mine/knowledge/search?q={}", "word+".repeat(1_000))).await;
    assert!((400..500).contains(&long.status.as_u16()), "{}", long.status);
    assert_eq!(cluster.count("personas where owner_id is not null").await, 0);
    cluster.assert_quiet().await;
}

/// API5, broken function level authorization: every operation of admins, by anybody else.
#[tokio::test]
async fn what_admins_do_nobody_else_does() {
    let cluster = cluster().await;
    let user = cluster.client(0).await;
    let key = user.post("/api/v1/api-keys", &json!({"name": "k", "scopes": ["account:read"]})).await.expect(201);
    let program = user.with_token(key["key"].as_str().unwrap());
    let description = user.get("/openapi.json").await.expect(200);
    let before = cluster.number("select count(*) from tiers").await;
    let mut tried = 0;
    for (path, item) in description["paths"].as_object().expect("paths") {
        for method in METHODS.iter().filter(|method| path.starts_with("/api/v1/admin/") && !item[**method].is_null()) {
            let call = |client: &Client| {
                let call = client.call(Method::from_bytes(method.to_uppercase().as_bytes()).unwrap(), &filled(path));
                if *method == "get" || *method == "delete" { call } else { call.json(&json!({})) }
            };
            let anonymous = user.with_token("");
            anonymous.answer(call(&anonymous)).await.problem(401);
            assert_eq!(user.answer(call(&user)).await.problem(403)["code"], "forbidden", "{method} {path}");
            assert_eq!(program.answer(call(&program)).await.problem(403)["code"], "out_of_scope", "{method} {path}");
            tried += 1;
        }
    }
    assert!(tried >= 20, "only {tried} operations");
    assert_eq!(cluster.number("select count(*) from tiers").await, before);
    // And an admin who is one no more, with the token that they had.
    let once = admin(&cluster).await;
    once.get("/api/v1/admin/queue").await.expect(200);
    sqlx::query("update users set role = 'user' where email = $1")
        .bind(&once.email)
        .execute(&cluster.db)
        .await
        .unwrap();
    once.get("/api/v1/admin/queue").await.problem(403);
}

/// API6, unrestricted access to sensitive business flows: accounts by the dozen, and replies by the hundred.
#[tokio::test]
async fn nobody_opens_accounts_or_asks_for_replies_without_end() {
    let options = ClusterOptions::default().servers(1).workers(1).set("TROUPE_RATE_LIMITS__ENABLED", "true");
    let cluster = options.start().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    let mut accepted = 0;
    within("an end of replies", async {
        while user.send_waiting(&conversation, "More", 0).await.status == 202 {
            accepted += 1;
        }
    })
    .await;
    assert!((1..=20).contains(&accepted), "{accepted} messages in a moment");
    let anonymous = Client::anonymous(cluster.server(0));
    let register = async |bot: i64| {
        let body = json!({"email": format!("bot-{bot}@example.com"), "password": PASSWORD, "name": "Bot"});
        anonymous.post("/api/v1/auth/register", &body).await.status
    };
    let mut opened = 0;
    within("an end of accounts", async {
        // Several at once: a slow machine would open them no faster than they are allowed.
        for round in 0.. {
            let statuses = join_all((0..BOTS).map(|bot| register(round * BOTS + bot))).await;
            for status in &statuses {
                opened += i64::from(*status == 201);
            }
            if statuses.iter().any(|status| *status == 429) {
                return;
            }
        }
    })
    .await;
    assert!(opened <= 60, "{opened} accounts in a moment");
    assert_eq!(cluster.count("users where email like 'bot-%'").await, opened);
}

/// API7, server side request forgery: an address that a user gives leads nowhere inside. (All forms: the tests of the
/// outgoing client.)
#[tokio::test]
async fn an_address_of_the_inner_network_is_not_fetched() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    user.post("/api/v1/personas", &json!({"slug": "spy", "name": "Spy", "system_prompt": "x"})).await.expect(201);
    let inside = cluster.server(0).replace("127.0.0.1", "localhost");
    let decimal = cluster.server(0).replace("127.0.0.1", "2130706433");
    let mut answers = Vec::new();
    for address in [
        cluster.server(0),
        &inside,
        &decimal,
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:127.0.0.1]/",
        "http://10.0.0.1/",
        "http://metadata.google.internal/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
    ] {
        let refused = user.post("/api/v1/personas/spy/documents", &json!({"url": format!("{address}")})).await;
        assert!((400..500).contains(&refused.status.as_u16()), "{address}: {} {}", refused.status, refused.text);
        answers.push(refused);
    }
    assert_eq!(cluster.count("documents").await, 0);
    // What is there and what is not is told alike.
    assert_eq!(answers[3].body["detail"], answers[5].body["detail"]);
}

/// API8, security misconfiguration: nothing answers that should not, and answers tell nothing of the inside.
#[tokio::test]
async fn what_was_left_open_is_closed() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    for path in
        ["/.env", "/.git/config", "/debug/pprof/", "/actuator/env", "/admin", "/server-status", "/metrics/internal"]
    {
        user.get(path).await.problem(404);
    }
    for method in ["TRACE", "CONNECT", "PROPFIND"] {
        let call = user.call(Method::from_bytes(method.as_bytes()).unwrap(), "/api/v1/auth/me");
        let status = user.answer(call).await.status.as_u16();
        assert!((400..500).contains(&status), "{method}: {status}");
    }
    let call = user.call(Method::GET, "/api/v1/auth/me").header("origin", "https://evil.example");
    let answer = user.answer(call).await;
    for header in ["access-control-allow-origin", "access-control-allow-credentials", "server", "x-powered-by"] {
        assert_eq!(answer.header(header), "", "{header}");
    }
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    for wrong in ["'", "%27%20or%201=1--", "..%2f..%2fetc%2fpasswd", "%00", "%ff"] {
        let answer = user.get(&format!("/api/v1/personas/{wrong}")).await;
        assert!((400..500).contains(&answer.status.as_u16()), "{wrong}: {}", answer.status);
        for inside in ["sqlx", "postgres", "panicked", ".rs:", "/src/", "syntax error"] {
            assert!(!answer.text.to_lowercase().contains(inside), "{wrong}: {}", answer.text);
        }
    }
    cluster.assert_quiet().await;
}

/// API9, improper inventory management: what answers is described, and what is described answers (`openapi.rs`); old
/// versions and other spellings are no way around.
#[tokio::test]
async fn there_is_no_other_way_in() {
    let cluster = small_cluster().await;
    let anonymous = Client::anonymous(cluster.server(0));
    for path in [
        "/api/v0/auth/me",
        "/api/auth/me",
        "/api/v1/auth/me/",
        "/api/v1//auth/me",
        "/API/v1/auth/me",
        "/api/v1/auth/./me",
        "/api/v1/admin/queue/",
        "/api/v1/personas/../admin/queue",
        "/api/v1/admin%2fqueue",
        "/api/v1/admin/queue;a=b",
    ] {
        // By hand: a client would tidy the path up.
        let address = cluster.server(0).trim_start_matches("http://").to_owned();
        let mut connection = TcpStream::connect(&address).await.unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        connection.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        within("an answer", connection.read_to_string(&mut answer)).await.unwrap();
        let status = answer.split(' ').nth(1).unwrap_or_default().to_owned();
        assert!(["400", "401", "404"].contains(&&*status), "{path}: {answer}");
    }
    // A method that is meant for something else, by a header or a field that some frameworks listen to.
    let call = anonymous.call(Method::POST, "/api/v1/auth/login").header("x-http-method-override", "DELETE");
    anonymous.answer(call.json(&json!({"email": "a@b.c", "password": "x", "_method": "DELETE"}))).await.problem(422);
    cluster.assert_quiet().await;
}

/// API10, unsafe consumption of APIs: a model service that has turned hostile.
#[tokio::test]
async fn a_hostile_model_service_gets_nowhere() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    let script = "<script>fetch('https://evil.example')</script>\u{0}\u{202e}\n\nevent: reply.completed\ndata: {}\n\n";
    cluster.provider.on("Say something bad", [Script::text(script)]);
    let sent = user.send(&conversation, "Say something bad").await;
    let followed = user.events(&sent.request, None).await;
    let finished = user.finished(&sent.request).await;
    // What it said is text, whatever it looks like: nothing in it became an event of ours.
    let events = followed.rest().await;
    assert_eq!(events.iter().filter(|event| event.event == "reply.completed").count(), 1);
    if finished["status"] == "completed" {
        let page = user.get(&format!("/api/v1/conversations/{conversation}/messages")).await;
        assert_eq!(page.header("content-type"), "application/json");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
    }
    // Nor does what it said once stay behind: the next question is answered as if nothing had been. (That it cannot
    // speak without end: the bounds of `worker/src/providers/formats/sse.rs`.)
    user.ask(&conversation, "And now?").await;
}
