//! Whatever is sent, the answer is a problem that says what is wrong, nothing is stored, and the server lives on.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use reqwest::Method;
use serde_json::{Value, json};
use troupe_tests::{Answer, Client, Cluster, ClusterOptions};

use crate::small_cluster;

const NOBODY: &str = "00000000-0000-7000-8000-00000000000f";

/// How much is stored.
async fn stored(cluster: &Cluster) -> Vec<i64> {
    let mut counts = Vec::new();
    for table in ["users", "personas", "conversations", "messages", "requests", "attempts"] {
        counts.push(cluster.count(table).await);
    }
    counts
}

async fn raw(
    client: &Client,
    method: Method,
    path: &str,
    content_type: &str,
    body: impl Into<reqwest::Body>,
) -> Answer {
    client.answer(client.call(method, path).header("content-type", content_type).body(body)).await
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "most of them are the table")]
async fn a_body_that_is_wrong_is_refused_with_the_field_at_fault() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    let messages = format!("/api/v1/conversations/{conversation}/messages");
    let conversations = "/api/v1/conversations".to_owned();
    let personas = "/api/v1/personas".to_owned();
    let one = format!("/api/v1/conversations/{conversation}");
    let before = stored(&cluster).await;
    let (post, patch) = (Method::POST, Method::PATCH);
    let too_long = json!({"content": "x".repeat(32_769)}).to_string();
    // In bytes, not in letters.
    let too_wide = json!({"content": "🌊".repeat(8_193)}).to_string();
    let deep = format!(r#"{{"content":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    let persona = |key: &str, value: Value| {
        let mut body = json!({"slug": "grandmother", "name": "Grandmother", "system_prompt": "You are kind."});
        body[key] = value;
        body.to_string()
    };
    let cases: Vec<(&str, &Method, &str, String, u16, &str, &str)> = vec![
        ("cut off", &post, &messages, r#"{"content":"a"#.into(), 400, "malformed_json", ""),
        ("no JSON", &post, &messages, "content=a".into(), 400, "malformed_json", ""),
        ("nothing", &post, &messages, String::new(), 400, "malformed_json", ""),
        ("two values", &post, &messages, r#"{"content":"a"} {}"#.into(), 400, "malformed_json", ""),
        ("a lone surrogate", &post, &messages, r#"{"content":"\ud800"}"#.into(), 400, "malformed_json", ""),
        ("too deep", &post, &messages, deep, 422, "invalid", "content"),
        ("unknown field", &post, &messages, r#"{"content":"a","colour":"red"}"#.into(), 422, "invalid", "colour"),
        (
            "the same field twice",
            &post,
            &messages,
            r#"{"content":"a","content":"b"}"#.into(),
            422,
            "invalid",
            "content",
        ),
        ("missing field", &post, &messages, "{}".into(), 422, "invalid", "content"),
        ("null", &post, &messages, r#"{"content":null}"#.into(), 422, "invalid", "content"),
        ("a number", &post, &messages, r#"{"content":5}"#.into(), 422, "invalid", "content"),
        ("an array", &post, &messages, "[]".into(), 422, "invalid", ""),
        ("a string", &post, &messages, r#""a""#.into(), 422, "invalid", ""),
        ("empty", &post, &messages, r#"{"content":""}"#.into(), 422, "invalid", "content"),
        ("blank", &post, &messages, r#"{"content":" \n\t\u00a0 "}"#.into(), 422, "invalid", "content"),
        ("a zero character", &post, &messages, r#"{"content":"a\u0000b"}"#.into(), 422, "invalid", "content"),
        ("too long", &post, &messages, too_long, 422, "content_too_long", "content"),
        ("too wide", &post, &messages, too_wide, 422, "content_too_long", "content"),
        ("no persona", &post, &conversations, "{}".into(), 422, "invalid", "persona"),
        ("unknown persona", &post, &conversations, r#"{"persona":"nobody"}"#.into(), 422, "invalid", "persona"),
        ("empty persona", &post, &conversations, r#"{"persona":""}"#.into(), 422, "invalid", "persona"),
        ("zero in persona", &post, &conversations, r#"{"persona":"de\u0000mo"}"#.into(), 422, "invalid", "persona"),
        ("empty title", &post, &conversations, r#"{"persona":"demo","title":""}"#.into(), 422, "invalid", "title"),
        (
            "title of a wrong type",
            &post,
            &conversations,
            r#"{"persona":"demo","title":[]}"#.into(),
            422,
            "invalid",
            "title",
        ),
        (
            "unknown field in a conversation",
            &post,
            &conversations,
            r#"{"persona":"demo","id":1}"#.into(),
            422,
            "invalid",
            "id",
        ),
        (
            "long title",
            &post,
            &conversations,
            json!({"persona": "demo", "title": "x".repeat(201)}).to_string(),
            422,
            "invalid",
            "title",
        ),
        (
            "zero in title",
            &post,
            &conversations,
            r#"{"persona":"demo","title":"\u0000"}"#.into(),
            422,
            "invalid",
            "title",
        ),
        ("rename to nothing", &patch, &one, r#"{"title":""}"#.into(), 422, "invalid", "title"),
        ("rename to blanks", &patch, &one, r#"{"title":"   "}"#.into(), 422, "invalid", "title"),
        ("a folder without a name", &patch, &one, r#"{"folder":""}"#.into(), 422, "invalid", "folder"),
        ("rename to a zero", &patch, &one, r#"{"title":"a\u0000"}"#.into(), 422, "invalid", "title"),
        ("rename something else", &patch, &one, r#"{"title":"a","persona":"demo"}"#.into(), 422, "invalid", "persona"),
        ("slug with blanks", &post, &personas, persona("slug", json!("a b")), 422, "invalid", "slug"),
        ("slug too short", &post, &personas, persona("slug", json!("a")), 422, "invalid", "slug"),
        ("slug with a line", &post, &personas, persona("slug", json!("abc\n")), 422, "invalid", "slug"),
        ("temperature too high", &post, &personas, persona("temperature", json!(2.1)), 422, "invalid", "temperature"),
        (
            "temperature too large to hold",
            &post,
            &personas,
            persona("temperature", json!(1e300)),
            422,
            "invalid",
            "temperature",
        ),
        (
            "temperature of a wrong type",
            &post,
            &personas,
            persona("temperature", json!("hot")),
            422,
            "invalid",
            "temperature",
        ),
        (
            "prompt too long",
            &post,
            &personas,
            persona("system_prompt", json!("x".repeat(32_769))),
            422,
            "invalid",
            "system_prompt",
        ),
        ("zero in prompt", &post, &personas, persona("system_prompt", json!("\u{0}")), 422, "invalid", "system_prompt"),
        ("unknown visibility", &post, &personas, persona("visibility", json!("secret")), 422, "invalid", "visibility"),
        ("a chain of text", &post, &personas, persona("chain", json!("openai")), 422, "invalid", "chain"),
        ("a link of a number", &post, &personas, persona("chain", json!(["openai", 5])), 422, "invalid", "chain[1]"),
        ("no link", &post, &personas, persona("chain", json!(["open ai"])), 422, "invalid", "chain[0]"),
        ("an empty link", &post, &personas, persona("chain", json!(["offline", ""])), 422, "invalid", "chain[1]"),
        ("a zero in a link", &post, &personas, persona("chain", json!(["openai/a\u{0}"])), 422, "invalid", "chain[0]"),
        (
            "a strange provider",
            &post,
            &personas,
            persona("chain", json!(["offline", "gpu/x"])),
            422,
            "invalid",
            "chain[1]",
        ),
        ("a key that is not", &post, &personas, persona("chain", json!(["openai#mine"])), 422, "invalid", "chain[0]"),
        ("too many links", &post, &personas, persona("chain", json!(vec!["openai"; 11])), 422, "invalid", "chain"),
        ("no way to be cut", &post, &personas, persona("when_cut", json!("weep")), 422, "invalid", "when_cut"),
        ("no way to be poor", &post, &personas, persona("over_budget", json!("beg")), 422, "invalid", "over_budget"),
        (
            "neither yes nor no",
            &post,
            &personas,
            persona("cache_replies", json!("yes")),
            422,
            "invalid",
            "cache_replies",
        ),
        ("no way to remember", &post, &personas, persona("remembers", json!(1)), 422, "invalid", "remembers"),
        ("somebody else's persona", &post, &personas, persona("owner_id", json!(NOBODY)), 422, "invalid", "owner_id"),
    ];
    for (name, method, path, body, status, code, field) in cases {
        let answer = raw(&user, method.clone(), path, "application/json", body).await;
        let problem = answer.problem(status);
        assert_eq!((&problem["code"], &problem["retryable"]), (&json!(code), &json!(false)), "{name}: {}", answer.text);
        if !field.is_empty() {
            let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("{name}: no errors in {}", answer.text));
            assert!(
                errors.iter().any(|error| error["field"] == field),
                "{name}: {field} is not named in {}",
                answer.text
            );
            assert!(errors.iter().all(|error| error["message"].as_str().is_some_and(|m| !m.is_empty())), "{name}");
        }
    }
    assert_eq!(stored(&cluster).await, before, "nothing was stored");
    let longest = "🌊".repeat(8_192);
    let sent = user.send(&conversation, &longest).await;
    user.reply(&sent.request).await;
    assert_eq!(cluster.provider.calls_of(&longest).len(), 1, "the longest message reaches the model whole");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn bytes_that_are_no_json_document_are_refused() {
    let cluster = ClusterOptions::default().servers(1).workers(1).set("TROUPE_SERVER__MAX_BODY", "65536").start().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    let path = format!("/api/v1/conversations/{conversation}/messages");
    let before = stored(&cluster).await;
    let sound = || json!({"content": "Hello"}).to_string();

    for content_type in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonp", ""]
    {
        let answer = raw(&user, Method::POST, &path, content_type, sound()).await;
        assert_eq!(answer.problem(415)["code"], "unsupported_media_type", "{content_type}");
    }
    let without = user.answer(user.call(Method::POST, &path).body(sound())).await;
    assert_eq!(without.problem(415)["code"], "unsupported_media_type");

    let invalid_utf8 =
        raw(&user, Method::POST, &path, "application/json", b"{\"content\":\"\xff\xfe\"}".to_vec()).await;
    assert_eq!(invalid_utf8.problem(400)["code"], "malformed_json");
    let utf16: Vec<u8> = sound().encode_utf16().flat_map(u16::to_le_bytes).collect();
    raw(&user, Method::POST, &path, "application/json", utf16).await.problem(400);

    let huge = json!({"content": "x".repeat(70_000)}).to_string();
    let answer = raw(&user, Method::POST, &path, "application/json", huge.clone()).await;
    assert_eq!(answer.problem(413)["code"], "body_too_large");
    // The same without a length told beforehand.
    let parts: Vec<Result<Vec<u8>, std::io::Error>> =
        huge.as_bytes().chunks(8_192).map(|part| Ok(part.to_vec())).collect();
    let streamed = reqwest::Body::wrap_stream(futures::stream::iter(parts));
    let answer = raw(&user, Method::POST, &path, "application/json", streamed).await;
    assert_eq!(answer.problem(413)["code"], "body_too_large");
    assert_eq!(stored(&cluster).await, before, "nothing was stored");

    for content_type in ["application/json; charset=utf-8", "Application/JSON"] {
        assert_eq!(raw(&user, Method::POST, &path, content_type, sound()).await.status, 202, "{content_type}");
    }
    let last = user.send(&conversation, "And the last").await;
    user.reply(&last.request).await;
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn addresses_that_are_nobodys_are_not_found() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let before = stored(&cluster).await;
    let ids = [
        NOBODY,
        "1",
        "none",
        "00000000-0000-7000-8000",
        "%00",
        "%ff",
        "..%2f..%2fetc",
        "' or 1=1 --",
        &"9".repeat(2_000),
    ];
    for id in ids {
        let id = id.replace(' ', "%20");
        let cases = [
            (Method::GET, format!("/api/v1/conversations/{id}")),
            (Method::PATCH, format!("/api/v1/conversations/{id}")),
            (Method::DELETE, format!("/api/v1/conversations/{id}")),
            (Method::GET, format!("/api/v1/conversations/{id}/messages")),
            (Method::POST, format!("/api/v1/conversations/{id}/messages")),
            (Method::GET, format!("/api/v1/requests/{id}")),
            (Method::GET, format!("/api/v1/requests/{id}?wait=1")),
            (Method::GET, format!("/api/v1/requests/{id}/events")),
            (Method::GET, format!("/api/v1/personas/{id}")),
            (Method::DELETE, format!("/api/v1/personas/{id}")),
        ];
        for (method, path) in cases {
            let mut call = user.call(method.clone(), &path);
            if method == Method::PATCH {
                call = call.json(&json!({"title": "Mine"}));
            } else if method == Method::POST {
                call = call.json(&json!({"content": "Hello"}));
            }
            let answer = user.answer(call).await;
            assert!([404, 422].contains(&answer.status.as_u16()), "{method} {path}: {} {}", answer.status, answer.text);
            answer.problem(answer.status.as_u16());
        }
    }
    for path in [
        "/nowhere",
        "/api",
        "/api/v1",
        "/api/v1/",
        "/api/v2/conversations",
        "/api/v1/conversations/",
        "/assets/../Cargo.toml",
        "//",
    ] {
        assert_eq!(user.get(path).await.problem(404)["code"], "not_found", "{path}");
    }
    for (method, path) in [
        (Method::DELETE, "/api/v1/conversations"),
        (Method::PUT, "/api/v1/conversations"),
        (Method::POST, "/api/v1/auth/me"),
        (Method::GET, "/api/v1/auth/login"),
        (Method::POST, "/health"),
        (Method::DELETE, "/"),
        (Method::PATCH, "/openapi.json"),
    ] {
        let answer = user.answer(user.call(method.clone(), path)).await;
        assert_eq!(answer.problem(405)["code"], "method_not_allowed", "{method} {path}");
        assert!(!answer.header("allow").is_empty(), "{method} {path}: what is allowed?");
    }
    assert_eq!(stored(&cluster).await, before, "nothing was stored");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn parameters_that_are_wrong_are_refused() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    let sent = user.send(&conversation, "Hello").await;
    user.reply(&sent.request).await;
    let before = stored(&cluster).await;
    let request = format!("/api/v1/requests/{}", sent.request);
    for query in [
        "wait=61",
        "wait=-1",
        "wait=long",
        "wait=1.5",
        "wait=99999999999999999999",
        "wait=",
        "waits=1",
        "wait=1&wait=2",
    ] {
        assert_eq!(user.get(&format!("{request}?{query}")).await.problem(422)["code"], "invalid", "{query}");
        let path = format!("/api/v1/conversations/{conversation}/messages?{query}");
        user.post(&path, &json!({"content": "Hello"})).await.problem(422);
    }
    for cursor in ["x", "1", "1-", "-1", "1-2-3", "9999999999999-1", "1-1%00"] {
        user.get(&format!("{request}/events?after={cursor}")).await.problem(422);
    }
    let call = user.call(Method::GET, &format!("{request}/events")).header("last-event-id", "somewhere");
    user.answer(call).await.problem(422);
    assert_eq!(stored(&cluster).await, before, "nothing was stored");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn credentials_that_are_wrong_open_nothing() {
    let cluster =
        ClusterOptions::default().servers(1).workers(1).set("TROUPE_AUTH__ACCESS_TOKEN_TTL", "2s").start().await;
    let user = cluster.client(0).await;
    let other = cluster.client(0).await;
    let before = stored(&cluster).await;
    let parts: Vec<_> = user.token.split('.').collect();
    let header: Value = serde_json::from_slice(&BASE64.decode(parts[0]).unwrap()).unwrap();
    let forged = |alg: &str| {
        let header = json!({"alg": alg, "typ": "JWT", "kid": header["kid"]}).to_string();
        format!("{}.{}", BASE64.encode(header), parts[1])
    };
    let other_claims = other.token.split('.').nth(1).unwrap();
    let tokens = [
        ("none", String::new()),
        ("garbage", "garbage".to_owned()),
        ("dots", "...".to_owned()),
        ("alg none", format!("{}.", forged("none"))),
        ("alg None with the signature", format!("{}.{}", forged("None"), parts[2])),
        ("alg RS256", format!("{}.{}", forged("RS256"), parts[2])),
        ("somebody else's claims", format!("{}.{other_claims}.{}", parts[0], parts[2])),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("half a token", user.token[..user.token.len() / 2].to_owned()),
        ("a token and more", format!("{}x", user.token)),
        ("a very long one", "x".repeat(6_000)),
    ];
    for (name, token) in tokens {
        let client = user.with_token(&token);
        for path in ["/api/v1/auth/me", "/api/v1/conversations"] {
            let answer = client.get(path).await;
            assert_eq!(answer.problem(401)["code"], "unauthenticated", "{name}");
            assert!(answer.header("www-authenticate").starts_with("Bearer"), "{name}");
        }
        client.post("/api/v1/conversations", &json!({"persona": "demo"})).await.problem(401);
        client.post("/api/v1/ws-tickets", &Value::Null).await.problem(401);
    }
    let anonymous = user.with_token("");
    for header in ["Basic dXNlcjpwYXNz", "Bearer", &format!("Token {}", user.token), &user.token.clone()] {
        let call = anonymous.call(Method::GET, "/api/v1/auth/me").header("authorization", header);
        anonymous.answer(call).await.problem(401);
    }
    let query = format!("/api/v1/auth/me?access_token={}", user.token);
    anonymous.get(&query).await.problem(401);

    // Its time is up: as soon as the server refuses it, it is refused for that reason.
    let expired = troupe_tests::within("the token's end", async {
        loop {
            let answer = user.get("/api/v1/auth/me").await;
            if answer.status != 200 {
                return answer;
            }
        }
    });
    let expired = expired.await;
    assert!(expired.problem(401)["detail"].as_str().unwrap().contains("expired"), "{}", expired.text);
    assert_eq!(stored(&cluster).await, before, "nothing was stored");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn what_is_another_users_is_not_there() {
    let cluster = small_cluster().await;
    let owner = cluster.client(0).await;
    let stranger = cluster.client(0).await;
    let conversation = owner.conversation("demo").await;
    let sent = owner.send(&conversation, "Mine").await;
    owner.reply(&sent.request).await;
    let persona =
        json!({"slug": "mine-alone", "name": "Mine", "system_prompt": "You are mine.", "visibility": "private"});
    owner.post("/api/v1/personas", &persona).await.expect(201);
    let before = stored(&cluster).await;

    let path = format!("/api/v1/conversations/{conversation}");
    let refused = [
        stranger.get(&path).await,
        stranger.patch(&path, &json!({"title": "Stolen"})).await,
        stranger.delete(&path).await,
        stranger.get(&format!("{path}/messages")).await,
        stranger.post(&format!("{path}/messages"), &json!({"content": "Hello"})).await,
        stranger.post(&format!("{path}/messages?wait=1"), &json!({"content": "Hello"})).await,
        stranger.get(&format!("/api/v1/requests/{}", sent.request)).await,
        stranger.get(&format!("/api/v1/requests/{}?wait=1", sent.request)).await,
        stranger.get(&format!("/api/v1/requests/{}/events", sent.request)).await,
        stranger.get("/api/v1/personas/mine-alone").await,
        stranger.patch("/api/v1/personas/mine-alone", &json!({"name": "Stolen"})).await,
        stranger.delete("/api/v1/personas/mine-alone").await,
    ];
    for answer in &refused {
        assert_eq!(answer.problem(404)["code"], "not_found");
    }
    // And it cannot be told from what is nobody's.
    let nobodys = stranger.get(&format!("/api/v1/conversations/{NOBODY}")).await;
    assert_eq!(nobodys.problem(404)["detail"], refused[0].body["detail"]);
    stranger.post("/api/v1/conversations", &json!({"persona": "mine-alone"})).await.problem(422);
    // The one that came with the product is nobody's to change.
    for answer in [
        stranger.delete("/api/v1/personas/demo").await,
        stranger.patch("/api/v1/personas/demo", &json!({"name": "Eve"})).await,
    ] {
        assert!([403, 404].contains(&answer.status.as_u16()), "{}", answer.text);
    }
    assert_eq!(stored(&cluster).await, before, "nothing was changed");
    assert_eq!(owner.get(&path).await.expect(200)["title"], Value::Null);
    assert_eq!(owner.messages(&conversation).await.len(), 2);
    cluster.assert_quiet().await;
}
