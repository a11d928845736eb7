//! What browsers are told: by which rules an answer lives, who may read it, and how long it may be kept.

use std::io::Read;

use flate2::read::GzDecoder;
use reqwest::Method;
use serde_json::json;
use troupe_tests::{Answer, Client, ClusterOptions};

use crate::small_cluster;

const PAGES: [&str; 3] = ["/", "/docs", "/docs/problems"];

fn one_server() -> ClusterOptions {
    ClusterOptions::default().servers(1).workers(0)
}

async fn with(client: &Client, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let call = headers.iter().fold(client.call(method, path), |call, (name, value)| call.header(*name, *value));
    client.answer(call).await
}

/// The addresses that a page loads.
fn loaded(page: &Answer) -> Vec<String> {
    let attributes = ["src=\"", "href=\""].into_iter().flat_map(|name| page.text.split(name).skip(1));
    let links = attributes.map(|rest| rest.split('"').next().unwrap_or_default().to_owned());
    links.filter(|link| link.starts_with("/assets/")).collect()
}

#[tokio::test]
async fn every_answer_says_what_may_be_done_with_it() {
    let cluster = one_server().start().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    let sent = user.send(&conversation, "Hello").await;
    let answers = [
        ("a page", user.get("/").await),
        ("a description", user.get("/openapi.json").await),
        ("an answer", user.get("/api/v1/auth/me").await),
        ("a list", user.get("/api/v1/conversations").await),
        ("a message", sent.answer),
        ("a refusal", user.with_token("").get("/api/v1/auth/me").await),
        ("a fault", user.post("/api/v1/conversations", &json!({})).await),
        ("nothing there", user.get("/nowhere").await),
        ("no such method", user.delete("/api/v1/auth/me").await),
        ("nothing to say", user.delete(&format!("/api/v1/conversations/{conversation}")).await),
        ("health", user.get("/health").await),
    ];
    for (name, answer) in &answers {
        let page = ["a page", "a description"].contains(name);
        let policy = answer.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{name}: {policy}"
        );
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{name}: {policy}");
        assert_eq!(policy.contains("script-src"), page, "{name}: {policy}");
        assert_eq!(answer.header("cache-control"), if page { "no-cache" } else { "no-store" }, "{name}");
        for (header, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("strict-transport-security", ""),
            ("access-control-allow-origin", ""),
            ("server", ""),
        ] {
            assert_eq!(answer.header(header), value, "{name}: {header}");
        }
        assert!(answer.header("permissions-policy").contains("camera=()"), "{name}");
    }
    // An event stream is an answer as well.
    let events = format!("/api/v1/requests/{}/events", sent.request);
    assert_eq!(user.get(&events).await.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn tls_is_asked_for_only_where_it_is_served() {
    for (address, expected) in [
        ("https://troupe.example.com", "max-age=31536000"),
        ("http://127.0.0.1:8080", ""),
        ("http://troupe.example.com", ""),
    ] {
        let cluster = one_server().set("TROUPE_SERVER__PUBLIC_URL", address).start().await;
        let client = Client::anonymous(cluster.server(0));
        for path in ["/", "/api/v1/auth/me", "/nowhere"] {
            assert_eq!(client.get(path).await.header("strict-transport-security"), expected, "{address}{path}");
        }
    }
}

#[tokio::test]
async fn pages_of_other_origins_may_call_if_they_are_listed_to_the_letter() {
    let listed = "https://app.example.com";
    let origins = "https://app.example.com, http://localhost:5173";
    let cluster = one_server().set("TROUPE_SERVER__CORS_ORIGINS", origins).start().await;
    let user = cluster.client(0).await;
    let me = "/api/v1/auth/me";
    let asking = |origin: &'static str| {
        [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization"),
        ]
    };
    // Without credentials: a browser sends none with its question.
    let preflight = with(&user.with_token(""), Method::OPTIONS, "/api/v1/conversations", &asking(listed)).await;
    assert_eq!(preflight.status, 204, "{}", preflight.text);
    assert_eq!(preflight.header("access-control-allow-origin"), listed);
    assert_eq!(preflight.header("access-control-allow-credentials"), "true");
    assert!(preflight.header("access-control-allow-methods").contains("POST"));
    let allowed = preflight.header("access-control-allow-headers");
    assert!(
        ["authorization", "content-type", "idempotency-key"].iter().all(|name| allowed.contains(name)),
        "{allowed}"
    );

    let answer = with(&user, Method::GET, me, &[("origin", listed)]).await;
    assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (200, listed));
    assert!(answer.header("access-control-expose-headers").contains("retry-after"));
    let refused = with(&user.with_token(""), Method::GET, me, &[("origin", listed)]).await;
    assert_eq!(
        (refused.status.as_u16(), refused.header("access-control-allow-origin")),
        (401, listed),
        "errors are read too"
    );

    for origin in [
        "https://evil.example.com",
        "https://app.example.com.evil.com",
        "https://app.example.com:444",
        "http://app.example.com",
        "https://APP.example.com",
        "null",
        "*",
        "",
    ] {
        for answer in [
            with(&user, Method::GET, me, &[("origin", origin)]).await,
            with(&user, Method::OPTIONS, me, &asking(origin.to_owned().leak())).await,
        ] {
            let told: Vec<_> =
                answer.headers.keys().filter(|name| name.as_str().starts_with("access-control-")).collect();
            assert!(told.is_empty(), "{origin}: {told:?}");
            assert!(
                answer.headers.get_all("vary").iter().any(|value| value == "Origin"),
                "{origin}: a cache must know"
            );
        }
    }
    cluster.assert_quiet().await;
}

/// From the length of a packed answer somebody who may put words into it could guess what else is in it (BREACH).
#[tokio::test]
async fn only_what_is_the_same_for_everybody_is_packed() {
    let cluster = small_cluster().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    let sent = user.send(&conversation, &"the same words again and again ".repeat(200)).await;
    user.reply(&sent.request).await;
    let takes = [("accept-encoding", "gzip, deflate, br, zstd")];
    for path in [
        "/api/v1/auth/me".to_owned(),
        "/api/v1/conversations".to_owned(),
        "/api/v1/personas".to_owned(),
        format!("/api/v1/conversations/{conversation}/messages"),
        format!("/api/v1/requests/{}", sent.request),
        format!("/api/v1/requests/{}/events", sent.request),
        "/api/v1/nowhere".to_owned(),
        "/health".to_owned(),
    ] {
        let answer = with(&user, Method::GET, &path, &takes).await;
        assert_eq!(answer.header("content-encoding"), "", "{path}");
    }
    for path in PAGES.iter().copied().chain(["/openapi.json"]) {
        let plain = user.get(path).await;
        assert_eq!((plain.header("content-encoding"), plain.header("vary")), ("", "accept-encoding"), "{path}");
        let response = user.call(Method::GET, path).header("accept-encoding", "gzip").send().await.unwrap();
        assert_eq!(response.headers()["content-encoding"], "gzip", "{path}");
        assert_eq!(response.headers()["vary"], "accept-encoding", "{path}");
        let (tag, packed) = (response.headers()["etag"].clone(), response.bytes().await.unwrap());
        assert_ne!(tag, plain.header("etag"), "{path}: two forms of one tag");
        let mut unpacked = String::new();
        GzDecoder::new(&packed[..]).read_to_string(&mut unpacked).unwrap();
        assert!(unpacked == plain.text && packed.len() < unpacked.len(), "{path}");
    }
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let cluster = one_server().servers(2).start().await;
    let client = Client::anonymous(cluster.server(0));
    let other = Client::anonymous(cluster.server(1));
    for path in PAGES.iter().copied().chain(["/openapi.json"]) {
        let first = client.get(path).await;
        let tag = first.header("etag");
        assert!(tag.starts_with('"') && tag.ends_with('"'), "{path}: {tag} is not strong");
        assert_eq!(other.get(path).await.header("etag"), tag, "{path}: servers of one version agree");
        let again = with(&client, Method::GET, path, &[("if-none-match", tag)]).await;
        assert_eq!((again.status.as_u16(), again.text.as_str(), again.header("etag")), (304, "", tag), "{path}");
        assert!(again.header("content-security-policy").contains("default-src"), "{path}");
        let changed = with(&client, Method::GET, path, &[("if-none-match", "\"another\"")]).await;
        assert_eq!(changed.status, 200, "{path}");
        assert_eq!(with(&client, Method::HEAD, path, &[]).await.header("etag"), tag, "{path}");
    }
    cluster.assert_quiet().await;
}

/// What a script loads, at once or later.
fn modules(script: &str) -> Vec<String> {
    let quoted = script.split("\"/assets/").skip(1).filter_map(|rest| rest.split_once('"'));
    let scripts = quoted.filter_map(|(name, _)| name.strip_suffix(".js"));
    scripts.map(|name| format!("/assets/{name}.js")).collect()
}

#[tokio::test]
async fn what_pages_load_is_called_by_what_is_in_it_and_kept_for_ever() {
    let cluster = one_server().start().await;
    let client = Client::anonymous(cluster.server(0));
    for page in PAGES {
        let mut assets = loaded(&client.get(page).await);
        assert!(assets.len() >= 2, "{page} loads {assets:?}");
        let mut at = 0;
        while let Some(asset) = assets.get(at).cloned() {
            at += 1;
            assert_eq!(asset.split('.').count(), 3, "{page} loads {asset}");
            let answer = client.get(&asset).await;
            assert_eq!(answer.status, 200, "{asset}");
            let more = modules(&answer.text).into_iter().filter(|module| !assets.contains(module));
            assets.extend(more.collect::<Vec<_>>());
            assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable", "{asset}");
            // A page of another version gets what there is, and does not keep it.
            let parts: Vec<_> = asset.split('.').collect();
            for older in [format!("{}.000000000000.{}", parts[0], parts[2]), format!("{}.{}", parts[0], parts[2])] {
                let same = client.get(&older).await;
                assert_eq!((same.status.as_u16(), same.text == answer.text), (200, true), "{older}");
                assert_eq!(same.header("cache-control"), "no-cache", "{older}");
            }
        }
    }
    let page = loaded(&client.get("/").await);
    let script = async |name: &str| {
        let address = page.iter().find(|asset| asset.starts_with(&format!("/assets/{name}."))).unwrap();
        client.get(address).await.text
    };
    let main = script("main").await;
    assert!(!main.contains("from \"/assets/"), "what it loads at once is in it");
    let (later, early) = (modules(&main), modules(&script("early").await));
    assert!(later.len() >= 3, "{later:?}");
    assert!(later.iter().all(|module| early.contains(module)), "the page asks early for {early:?}, of {later:?}");
    for nothing in ["/assets/app.rs", "/assets/", "/assets/a.b.c.d", "/assets/app.x.rs", "/assets/%2e%2e%2fapp.js"] {
        client.get(nothing).await.problem(404);
    }
    cluster.assert_quiet().await;
}
