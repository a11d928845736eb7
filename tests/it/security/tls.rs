//! TLS. The listener's own: calls and sockets by it, and none without a certificate where clients must have one. To
//! Redis: with an authority of one's own. To PostgreSQL: refused without, where the server is public.

use std::{ffi::OsStr, fs, path::Path};

use rcgen::CertifiedKey;
use reqwest::{Certificate, Client, Identity};
use troupe_tests::{
    Cluster, ClusterOptions, Process, provider::default_reply, redis_nodes::TlsRedis, tls_front::TlsFront,
};

struct Made {
    pem: String,
    key: String,
}

fn make(dir: &Path, name: &str) -> Made {
    make_for("localhost", dir, name)
}

fn make_for(host: &str, dir: &Path, name: &str) -> Made {
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed([host.to_owned()]).expect("a certificate");
    let made = Made { pem: cert.pem(), key: signing_key.serialize_pem() };
    fs::write(dir.join(format!("{name}.crt")), &made.pem).expect("written");
    fs::write(dir.join(format!("{name}.key")), &made.key).expect("written");
    made
}

fn options(dir: &Path) -> ClusterOptions {
    let file = |name: &str| dir.join(name).display().to_string();
    ClusterOptions::default()
        .servers(1)
        .workers(0)
        .set("TROUPE_SERVER__TLS_CERTIFICATE", &file("server.crt"))
        .set("TROUPE_SERVER__TLS_KEY", &file("server.key"))
}

fn client(server: &Made, identity: Option<&Made>) -> Client {
    let trusted = Certificate::from_pem(server.pem.as_bytes()).expect("a certificate");
    let client = Client::builder().tls_certs_only([trusted]);
    let client = match identity {
        Some(Made { pem, key }) => client.identity(Identity::from_pem(format!("{pem}{key}").as_bytes()).expect("both")),
        None => client,
    };
    client.build().expect("a client")
}

/// The server's address by TLS; its certificate is for a name.
fn address(cluster: &Cluster) -> String {
    cluster.server(0).replace("http://127.0.0.1", "https://localhost")
}

#[tokio::test]
async fn calls_are_served_by_tls_and_not_without() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = make(dir.path(), "server");
    let cluster = options(dir.path()).start().await;
    let client = client(&server, None);
    let ready = client.get(format!("{}/ready", address(&cluster))).send().await.expect("an answer");
    assert_eq!((ready.status().as_u16(), ready.text().await.expect("a body").contains("\"ok\"")), (200, true));
    // Sockets, too: without a ticket it is an upgrade that is refused, and not a connection that breaks.
    let upgrade = client
        .get(format!("{}/api/v1/ws", address(&cluster)))
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(upgrade.send().await.expect("an answer").status(), 401);
    Client::new().get(format!("{}/ready", cluster.server(0))).send().await.expect_err("nothing without TLS");
    let stranger = make(dir.path(), "stranger");
    let mistrusting = self::client(&stranger, None).get(format!("{}/ready", address(&cluster)));
    mistrusting.send().await.expect_err("it is not the one that is trusted");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn clients_without_a_certificate_are_not_served_where_they_must_have_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let [server, known, stranger] = ["server", "known", "stranger"].map(|name| make(dir.path(), name));
    let authority = dir.path().join("known.crt").display().to_string();
    let cluster = options(dir.path()).set("TROUPE_SERVER__TLS_CLIENT_CA", &authority).start().await;
    let ready = format!("{}/ready", address(&cluster));
    let answer = client(&server, Some(&known)).get(&ready).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    for identity in [None, Some(&stranger)] {
        client(&server, identity).get(&ready).send().await.expect_err("no answer");
    }
    cluster.assert_quiet().await;
}

/// Servers, the event logs of workers, and their queues.
#[tokio::test]
async fn redis_is_called_by_tls_where_the_authority_is_one_s_own() {
    let dir = tempfile::tempdir().expect("a directory");
    make_for("127.0.0.1", dir.path(), "redis");
    let certificate = dir.path().join("redis.crt");
    let redis = TlsRedis::start(&certificate, &dir.path().join("redis.key")).await;
    let options = ClusterOptions::default().servers(1).workers(1).processes().redis(&redis.url());
    let cluster = options.set("SSL_CERT_FILE", &certificate.display().to_string()).start().await;
    let user = cluster.client(0).await;
    assert_eq!(user.ask(&user.conversation("demo").await, "Safe?").await, default_reply("Safe?"));
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn model_services_are_called_by_tls_and_strangers_are_not_believed() {
    let dir = tempfile::tempdir().expect("a directory");
    for name in ["service", "stranger"] {
        make(dir.path(), name);
    }
    let file = |name: &str| dir.path().join(name);
    let options = ClusterOptions::default().servers(1).workers(0).processes();
    let mut cluster = options.set("TROUPE_WORKER__MAX_ATTEMPTS", "1").start().await;
    let service = cluster.provider.base_url();
    let (service, path) = service.trim_start_matches("http://").split_once('/').expect("an address and a path");
    let front = TlsFront::start(&file("service.crt"), &file("service.key"), service.to_owned()).await;
    cluster.set("OPENAI_BASE_URL", &format!("https://localhost:{}/{path}", front.port()));
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;

    cluster.set("SSL_CERT_FILE", &file("service.crt").display().to_string());
    cluster.add_worker().await;
    assert_eq!(user.ask(&conversation, "Safe?").await, default_reply("Safe?"));
    cluster.workers.remove(0).stop().await;
    cluster.set("SSL_CERT_FILE", &file("stranger.crt").display().to_string());
    cluster.add_worker().await;
    let sent = user.send(&conversation, "Is it you?").await;
    assert_eq!(user.finished(&sent.request).await["status"], "failed");
    cluster.assert_quiet_but_for(&["failed to verify TLS certificate"]).await;
}

#[tokio::test]
async fn a_public_server_does_not_start_on_a_postgresql_in_plain_text() {
    let plain = "postgres://u:canary-hunter2-77@db.invalid/d";
    let run = async |binary: &str, arguments: &[&OsStr], settings: &[(&str, &str)]| {
        let environment: Vec<_> = settings.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mut process = Process::start(binary, binary.to_owned(), arguments, &environment);
        (process.ended().await.success(), process.lines().join("\n"))
    };
    let (public, encrypted) = (("TROUPE_SERVER__LISTEN", "0.0.0.0:0"), format!("{plain}?sslmode=verify-full"));
    for binary in ["troupe", "troupe-server", "troupe-worker"] {
        let (started, said) = run(binary, &[], &[public, ("DATABASE_URL", plain)]).await;
        assert!(!started);
        for named in ["database.url", "is not encrypted", "sslmode=verify-full", "database.allow_plaintext"] {
            assert!(said.contains(named), "{binary} does not say {named}: {said}");
        }
        assert!(!said.contains("canary"), "{said}");
        for settings in [
            &[public, ("DATABASE_URL", plain), ("TROUPE_DATABASE__ALLOW_PLAINTEXT", "true")][..],
            &[public, ("DATABASE_URL", &encrypted)],
            &[public, ("DATABASE_URL", "postgres:///d?host=/run/postgresql")],
            &[("DATABASE_URL", plain)],
        ] {
            let (sound, said) = run(binary, &[OsStr::new("--check-config")], settings).await;
            assert!(sound, "{binary}: {said}");
        }
    }
}
