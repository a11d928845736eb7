//! Passwords: what may be one, how they are kept, and what happens when many sign in at once.

use std::{ffi::OsStr, fs, path::Path};

use futures::future::join_all;
use serde_json::json;
use tempfile::TempDir;
use troupe_tests::{Client, Cluster, ClusterOptions, Process, client::PASSWORD, socket::End};

const LOGIN: &str = "/api/v1/auth/login";
const NEW: &str = "another long password";

/// Of "an imported password", by another implementation of bcrypt.
const BCRYPT: &str = "$2b$10$abcdefghijklmnopqrstuuL2MmaVYYRsKzxUBL46JcfXsHSTalEcK";

async fn one_server() -> Cluster {
    ClusterOptions::default().servers(1).workers(0).start().await
}

/// Whether the password is right at this server.
pub(crate) async fn signs_in(client: &Client, password: &str) -> bool {
    let answer = client.post(LOGIN, &json!({"email": client.email, "password": password})).await;
    if answer.status != 200 {
        assert_eq!(answer.problem(401)["code"], "unauthenticated");
    }
    answer.status == 200
}

async fn hash_of(cluster: &Cluster, email: &str) -> String {
    let hash = sqlx::query_scalar("select coalesce(password_hash, '') from users where email = $1").bind(email);
    hash.fetch_one(&cluster.db).await.expect("an account")
}

/// Runs the server's program with these arguments, as an operator does.
pub(crate) fn operate(cluster: &Cluster, arguments: &[&str]) -> Process {
    let arguments: Vec<_> = arguments.iter().map(OsStr::new).collect();
    Process::start("troupe-server", "an operator".to_owned(), &arguments, cluster.environment())
}

#[tokio::test]
async fn each_rule_that_a_password_breaks_is_named() {
    let cluster = one_server().await;
    let anybody = Client::anonymous(cluster.server(0));
    for (password, rule) in [
        ("seven77", "must have at least 8 characters"),
        ("iloveyou123", "must not be one that is guessed first: it is very common"),
        ("Password1", "must not be one that is guessed first: it is very common"),
        ("987654321", "must not be one that is guessed first: it is very common"),
        ("Grace.Hopper@example.com", "must not be your e-mail address or your name"),
        ("grace hopper", "must not be your e-mail address or your name"),
    ] {
        let body = json!({"email": "grace.hopper@example.com", "name": "Grace", "password": password});
        let answer = anybody.post("/api/v1/auth/register", &body).await;
        let errors = &answer.problem(422)["errors"];
        assert_eq!(*errors, json!([{"field": "password", "message": rule}]), "{password}");
    }
    assert_eq!(cluster.count("users").await, 0);

    let user = cluster.client(0).await;
    let change = json!({"current_password": PASSWORD, "password": "iloveyou123"});
    let refused = user.put("/api/v1/auth/password", &change).await;
    assert_eq!(refused.problem(422)["errors"][0]["field"], "password");
    assert!(signs_in(&user, PASSWORD).await);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_hash_of_less_work_is_replaced_at_sign_in() {
    let options = ClusterOptions::default().servers(1).workers(0);
    let options = options.set("TROUPE_AUTH__PASSWORD_MEMORY", "7168").set("TROUPE_AUTH__PASSWORD_PASSES", "5");
    let mut cluster = options.start().await;
    let user = cluster.client(0).await;
    let first = hash_of(&cluster, &user.email).await;
    assert!(first.starts_with("$argon2id$v=19$m=7168,t=5,p=1$"), "{first}");

    cluster.set("TROUPE_AUTH__PASSWORD_MEMORY", "19456");
    cluster.set("TROUPE_AUTH__PASSWORD_PASSES", "2");
    let today = cluster.add_server().await;
    let here = user.at(cluster.server(today));
    assert!(!signs_in(&here, "wrong password").await);
    assert_eq!(hash_of(&cluster, &user.email).await, first, "only a right one shows what to hash");
    assert!(signs_in(&here, PASSWORD).await);
    let second = hash_of(&cluster, &user.email).await;
    assert!(second.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{second}");
    assert!(signs_in(&here, PASSWORD).await && !signs_in(&here, "wrong password").await);
    assert_eq!(hash_of(&cluster, &user.email).await, second, "once is enough");
    cluster.assert_quiet().await;
}

/// A file where the operator has it.
fn file(directory: &TempDir, lines: &[String]) -> String {
    let path = directory.path().join("users.jsonl");
    fs::write(&path, lines.join("\n")).expect("a file");
    Path::new(&path).display().to_string()
}

fn line(email: &str, more: &str) -> String {
    format!(r#"{{"email":"{email}","name":"Imported"{more}}}"#)
}

#[tokio::test]
async fn imported_accounts_keep_their_passwords_and_get_better_hashes() {
    let (cluster, directory) = (one_server().await, tempfile::tempdir().unwrap());
    let hash = format!(r#","password_hash":"{BCRYPT}","tier":"pro""#);
    let lines = [line("old@example.com", &hash), line("none@example.com", "")];
    let mut import = operate(&cluster, &["users", "import", &file(&directory, &lines)]);
    assert!(import.ended().await.success(), "{}", import.lines().join("\n"));
    assert!(import.lines().join("\n").contains("2 accounts were imported"));
    assert!(!import.lines().join("\n").contains(BCRYPT), "no hash is logged");

    let mut old = Client::anonymous(cluster.server(0));
    old.email = "old@example.com".to_owned();
    assert!(!signs_in(&old, "some other password").await);
    assert_eq!(hash_of(&cluster, &old.email).await, BCRYPT);
    assert!(signs_in(&old, "an imported password").await);
    assert!(hash_of(&cluster, &old.email).await.starts_with("$argon2id$"));
    let again = Client::sign_in(cluster.server(0), &old.email, "an imported password").await;
    assert_eq!(again.user["tier"], "pro");
    assert!(!signs_in(&old, "some other password").await);

    let mut none = old.clone();
    none.email = "none@example.com".to_owned();
    assert!(!signs_in(&none, "").await && !signs_in(&none, "an imported password").await);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn an_import_stores_all_or_tells_all_that_is_wrong() {
    let (cluster, directory) = (one_server().await, tempfile::tempdir().unwrap());
    let user = cluster.client(0).await;
    let lines = [
        line("right@example.com", ""),
        line("no address", ""),
        "not JSON".to_owned(),
        line(&user.email.to_uppercase(), ""),
        line("md5@example.com", r#","password_hash":"5f4dcc3b5aa765d61d8327deb882cf99""#),
        line("dear@example.com", &format!(r#","password_hash":"{}""#, BCRYPT.replace("$10$", "$31$"))),
        line("gold@example.com", r#","tier":"gold""#),
        line("RIGHT@example.com", ""),
        line("role@example.com", r#","role":"admin""#),
    ];
    let mut import = operate(&cluster, &["users", "import", &file(&directory, &lines)]);
    assert!(!import.ended().await.success());
    let told = import.lines().join("\n");
    for fault in [
        "nothing was imported: 8 fault(s)",
        "line 2: email: must be an e-mail address",
        "line 3: expected",
        "line 4: email: there is an account with this address",
        "line 5: password_hash: must be of argon2id",
        "line 6: password_hash: must have a cost from 4 to 14",
        "line 7: tier: there is no such tier",
        "line 8: email: is that of line 1 again",
        "line 9: role: unknown field",
    ] {
        assert!(told.contains(fault), "“{fault}” is not told:\n{told}");
    }
    assert_eq!(cluster.count("users").await, 1, "nothing was stored");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn whoever_knows_the_password_changes_it_and_others_are_out() {
    let cluster = one_server().await;
    let user = cluster.client(0).await;
    let other = Client::sign_in(cluster.server(0), &user.email, PASSWORD).await;
    let socket = other.socket().await;
    let path = "/api/v1/auth/password";
    let change = |current: &str| json!({"current_password": current, "password": NEW});
    let wrong = user.put(path, &change("wrong password")).await;
    assert_eq!(wrong.problem(422)["errors"], json!([{"field": "current_password", "message": "is not your password"}]));
    Client::anonymous(cluster.server(0)).put(path, &change(PASSWORD)).await.problem(401);
    assert!(signs_in(&user, PASSWORD).await);

    assert_eq!(user.put(path, &change(PASSWORD)).await.status, 204);
    assert!(!signs_in(&user, PASSWORD).await && signs_in(&user, NEW).await);
    assert_eq!(user.get("/api/v1/auth/me").await.status, 200, "who has changed it stays");
    other.get("/api/v1/auth/me").await.problem(401);
    assert_eq!(socket.closed().await, End::Code(4001));
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn more_sign_ins_than_can_wait_are_turned_away() {
    let options = ClusterOptions::default().servers(1).workers(0);
    let options = options.set("TROUPE_AUTH__PASSWORD_QUEUE", "1").set("TROUPE_AUTH__PASSWORD_THREADS", "1");
    // Each hash takes its time, so that others come meanwhile.
    let cluster = options.set("TROUPE_AUTH__PASSWORD_PASSES", "20").start().await;
    let user = cluster.client(0).await;
    let body = json!({"email": user.email, "password": PASSWORD});
    let answers = join_all((0..30).map(|_| user.post(LOGIN, &body))).await;
    let (turned_away, let_in): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 503);
    assert!(!turned_away.is_empty() && !let_in.is_empty(), "{} were let in", let_in.len());
    for answer in &turned_away {
        assert_eq!(answer.problem(503)["code"], "overloaded");
        assert!(!answer.header("retry-after").is_empty());
    }
    assert!(let_in.iter().all(|answer| answer.status == 200));
    assert!(signs_in(&user, PASSWORD).await, "there is room again");
    cluster.assert_quiet().await;
}
