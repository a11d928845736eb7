//! Documents that are fetched from an address: what comes of them, and that nothing inside can be reached so.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Router, http::header, response::Redirect, routing::get};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};
use troupe_tests::{Answer, Client, Cluster, ClusterOptions};

use crate::knowledge::documents::{find, persona, settled};

const PAGE: &str = "<!doctype html><title>Letters</title><h1>Breakfast</h1><p>There were kippers on Sundays.</p>";

/// A site that counts its visitors. Dropping it ends it.
struct Site {
    port: u16,
    visits: Arc<AtomicUsize>,
    _serving: JoinSet<()>,
}

impl Site {
    async fn start(at: &str) -> Self {
        let listener = TcpListener::bind((at, 0)).await.unwrap();
        let (port, visits) = (listener.local_addr().unwrap().port(), Arc::<AtomicUsize>::default());
        let count = visits.clone();
        let page = async move || {
            count.fetch_add(1, Ordering::SeqCst);
            ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], PAGE)
        };
        let elsewhere = async || Redirect::temporary("http://169.254.169.254/latest/meta-data/");
        let router = Router::new()
            .route("/page", get(page))
            .route("/moved", get(async || Redirect::permanent("/page")))
            .route("/metadata", get(elsewhere))
            .route("/inside", get(async move || Redirect::temporary(&format!("http://127.0.0.2:{port}/page"))))
            .route("/large", get(async || "a".repeat(300_001)))
            .route("/picture", get(async || ([(header::CONTENT_TYPE, "text/plain")], b"\x89PNG\r\n\x1a\n\0\0")));
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { port, visits, _serving: serving }
    }

    fn visits(&self) -> usize {
        self.visits.load(Ordering::SeqCst)
    }
}

/// One server and one worker, for which 127.0.0.1 is outside, and 127.0.0.2 is not.
async fn cluster() -> Cluster {
    let options = ClusterOptions::default().processes().servers(1).workers(1);
    let options = options.set("TROUPE_OUTGOING__ALLOW_NETWORKS", "127.0.0.1/32").set("TROUPE_OUTGOING__PORTS", "");
    options.set("TROUPE_SERVER__MAX_DOCUMENT", "300000").start().await
}

async fn offer(user: &Client, path: &str, key: &str, body: &Value) -> Answer {
    user.answer(user.call(Method::POST, path).header("idempotency-key", key).json(body)).await
}

#[tokio::test]
async fn a_document_is_fetched_once_and_read_as_an_upload_is() {
    let (cluster, site) = (cluster().await, Site::start("127.0.0.1").await);
    let user = cluster.client(0).await;
    let path = persona(&user, "grandmother").await;
    let address = json!({"url": format!("http://127.0.0.1:{}/moved", site.port)});
    let offered = offer(&user, &path, "k", &address).await.expect(201);
    let document = settled(&user, &path, &offered).await;
    assert_eq!((&document["title"], &document["media_type"]), (&json!("Letters"), &json!("text/html")), "{document}");
    assert_eq!(find(&cluster, "grandmother", "kippers").await.len(), 1);

    let again = offer(&user, &path, "k", &address).await;
    assert_eq!((again.status.as_u16(), again.header("idempotency-replayed")), (201, "true"));
    assert_eq!(site.visits(), 1, "what was done under a key is not fetched again");
    let other = json!({"url": format!("http://127.0.0.1:{}/page", site.port), "title": "Her letters"});
    assert_eq!(offer(&user, &path, "k", &other).await.problem(422)["code"], "idempotency_key_reused");
    let renamed = user.post(&path, &other).await.expect(201);
    assert_eq!((&renamed["id"], &renamed["title"]), (&document["id"], &json!("Her letters")), "the same content");
    cluster.assert_quiet().await;
}

/// Whatever is inside looks like nothing, and hears nothing.
#[tokio::test]
async fn nothing_inside_is_reached_by_an_address() {
    let (cluster, site) = (cluster().await, Site::start("127.0.0.1").await);
    let inside = TcpListener::bind(("127.0.0.2", site.port)).await.unwrap();
    let user = cluster.client(0).await;
    let path = persona(&user, "grandmother").await;
    let port = site.port;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    for url in [
        &format!("http://127.0.0.1:{closed}/"),
        &format!("http://127.0.0.2:{port}/page"),
        &format!("http://2130706434:{port}/page"),
        &format!("http://[::ffff:127.0.0.2]:{port}/page"),
        &format!("http://127.0.0.1:{port}/metadata"),
        &format!("http://127.0.0.1:{port}/inside"),
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "http://[::1]/",
        "http://nobody.invalid/",
    ] {
        let answer = user.post(&path, &json!({"url": url})).await;
        let problem = answer.problem(422);
        let said = (&problem["code"], &problem["detail"]);
        assert_eq!(said, (&json!("not_fetched"), &json!("the address could not be reached")), "{url}");
    }
    let nobody = tokio::time::timeout(std::time::Duration::ZERO, inside.accept()).await;
    assert!(nobody.is_err(), "somebody came in");
    assert_eq!(cluster.count("documents").await, 0);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn what_cannot_be_had_is_named_and_nothing_is_stored() {
    let (cluster, site) = (cluster().await, Site::start("127.0.0.1").await);
    let (user, stranger) = (cluster.client(0).await, cluster.client(0).await);
    let path = persona(&user, "grandmother").await;
    let at = |page: &str| json!({"url": format!("http://127.0.0.1:{}/{page}", site.port)});
    for (body, status, code, detail) in [
        (at("none"), 422, "not_fetched", "the address answered 404"),
        (at("large"), 422, "not_fetched", "the address holds more than 300000 bytes"),
        (at("picture"), 415, "unsupported_media_type", "is a picture"),
        (json!({"url": "file:///etc/passwd"}), 422, "invalid", "url: must begin with http:// or https://"),
        (json!({"url": "http://u:p@example.com"}), 422, "invalid", "url: must not hold a user or a password"),
        (json!({"url": "example.com"}), 422, "invalid", "url: must be a whole one"),
        (json!({"title": "Nothing"}), 422, "invalid", "url"),
        (json!({"url": "http://example.com", "depth": 3}), 422, "invalid", "depth"),
        (json!({"url": "http://example.com", "title": ""}), 422, "invalid", "title"),
    ] {
        let answer = user.post(&path, &body).await;
        let problem = answer.problem(status);
        assert_eq!(problem["code"], code, "{body}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(detail), "{body}: {problem}");
    }
    stranger.post(&path, &at("page")).await.problem(404);
    user.post("/api/v1/personas/nobody/documents", &at("page")).await.problem(404);
    assert_eq!(site.visits(), 0, "nobody is called for a persona that is not one's own");
    assert_eq!(cluster.count("documents").await, 0);
    cluster.assert_quiet().await;
}

/// As it is set up unless told otherwise.
#[tokio::test]
async fn no_address_of_this_machine_and_no_other_port_is_called() {
    let cluster = ClusterOptions::default().servers(1).workers(0).start().await;
    let user = cluster.client(0).await;
    let path = persona(&user, "grandmother").await;
    let own = user.post(&path, &json!({"url": "http://127.0.0.1/"})).await;
    assert_eq!(own.problem(422)["code"], "not_fetched");
    let port = user.post(&path, &json!({"url": "http://example.com:6379/"})).await;
    assert_eq!(port.problem(422)["detail"], "url: has a port that is not allowed");
    cluster.assert_quiet().await;
}
