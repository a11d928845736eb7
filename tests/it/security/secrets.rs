//! Keys that change while processes run, and secrets that never show.

use std::{fs, os::unix::fs::symlink, path::Path, sync::Arc};

use reqwest::Url;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Executor};
use tempfile::TempDir;
use troupe_core::{
    adapters::embedders,
    clock::SystemClock,
    config::{Live, Sources},
    lifecycle::Tasks,
};
use troupe_db::vector_stores;
use troupe_tests::{
    Client, Cluster, ClusterOptions, Gate, MailServer, Process, Script, Signal, embedder::ScriptedEmbedder, leaks,
    provider::default_reply, qdrant::FakeQdrant,
};

use crate::{
    accounts::password_resets::{self, with_mail},
    knowledge::vector_stores::Ground,
    operations::outages::send_patiently,
};

const OLD: &str = "sk-canary-old-0e1f5a9b";
const NEW: &str = "sk-canary-new-c47d2268";

/// One server and one worker whose provider's key lies in this directory.
async fn cluster(secrets: &Path) -> Cluster {
    [OLD, NEW].into_iter().for_each(leaks::guard);
    let options = ClusterOptions::default().processes().servers(1).workers(1).without("OPENAI_API_KEY");
    options.set("TROUPE_SECRETS_DIR", secrets.to_str().unwrap()).start().await
}

fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

/// The names of settings in a log entry of this kind.
async fn settings(process: &Process, message: &str) -> Value {
    process.logged(message).await["fields"]["settings"].clone()
}

async fn failed(cluster: &Cluster, question: &str) {
    let user = cluster.client(0).await;
    let sent = user.send(&user.conversation("demo").await, question).await;
    assert_eq!(user.finished(&sent.request).await["status"], "failed");
}

async fn asked_with(cluster: &Cluster, question: &str) -> String {
    let user = cluster.client(0).await;
    user.ask(&user.conversation("demo").await, question).await;
    cluster.provider.calls_of(question).pop().unwrap().key.unwrap()
}

#[tokio::test]
async fn a_new_key_is_used_without_a_restart_and_what_runs_ends_with_the_old_one() {
    let secrets = directory(&[("OPENAI_API_KEY", &format!("{OLD}\n"))]);
    let cluster = cluster(secrets.path()).await;
    cluster.provider.take_only(OLD);
    let user = cluster.client(0).await;
    let gate = Gate::new();
    cluster.provider.on("Long?", [Script::gated(["It was ", "long."], &gate)]);
    let running = user.send(&user.conversation("demo").await, "Long?").await;
    gate.reached(1).await;

    cluster.provider.take_only(NEW);
    failed(&cluster, "Refused?").await;
    let calls = cluster.provider.calls().len();
    failed(&cluster, "Not asked?").await;
    assert_eq!(cluster.provider.calls().len(), calls, "a key that was refused is left alone");

    fs::write(secrets.path().join("OPENAI_API_KEY"), NEW).unwrap();
    cluster.workers[0].signal(Signal::Hangup);
    cluster.workers[0].logged("a provider has another key now").await;
    assert_eq!(settings(&cluster.workers[0], "these settings are taken over").await, "providers.openai.keys.default");
    assert_eq!(asked_with(&cluster, "Now?").await, NEW);
    gate.open();
    assert_eq!(user.reply(&running.request).await, "It was long.");
    cluster.assert_quiet_but_for(&["does not accept its key"]).await;
}

/// Two workers, of which one has the new key first: what the other one still says of the old key must not stop it for
/// long.
#[tokio::test]
async fn workers_take_a_new_key_one_after_the_other() {
    let secrets = directory(&[("providers.openai.keys.default", OLD)]);
    let mut cluster = cluster(secrets.path()).await;
    cluster.add_worker().await;
    cluster.provider.take_only(NEW);
    failed(&cluster, "Refused?").await;
    fs::write(secrets.path().join("providers.openai.keys.default"), NEW).unwrap();
    for worker in &cluster.workers {
        worker.signal(Signal::Hangup);
        worker.logged("a provider has another key now").await;
    }
    for n in 0..8 {
        assert_eq!(asked_with(&cluster, &format!("Question {n}?")).await, NEW);
    }
    cluster.assert_quiet_but_for(&["does not accept its key"]).await;
}

/// As Kubernetes does it: what is named points to `..data`, and that to the files of the day.
#[tokio::test]
async fn a_change_of_the_files_is_enough() {
    let secrets = directory(&[]);
    let at = |name: &str| secrets.path().join(name);
    for (day, key) in [("..monday", OLD), ("..tuesday", NEW)] {
        fs::create_dir(at(day)).unwrap();
        fs::write(at(day).join("OPENAI_API_KEY"), key).unwrap();
    }
    symlink("..monday", at("..data")).unwrap();
    symlink("..data/OPENAI_API_KEY", at("OPENAI_API_KEY")).unwrap();
    let cluster = cluster(secrets.path()).await;
    assert_eq!(asked_with(&cluster, "Monday?").await, OLD);
    symlink("..tuesday", at("..data_tmp")).unwrap();
    fs::rename(at("..data_tmp"), at("..data")).unwrap();
    cluster.workers[0].logged("a provider has another key now").await;
    cluster.servers[0].logged("these settings are taken over").await;
    assert_eq!(asked_with(&cluster, "Tuesday?").await, NEW);
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn a_faulty_configuration_is_refused_as_a_whole_and_what_needs_a_restart_is_named() {
    let secrets = directory(&[("OPENAI_API_KEY", OLD)]);
    let cluster = cluster(secrets.path()).await;
    let put = |name: &str, text: &str| fs::write(secrets.path().join(name), text).unwrap();
    put("OPENAI_API_KEY", NEW);
    // A secret in the wrong place, and one that nobody knows.
    put("TROUPE_WORKER__LEASE", NEW);
    put("TROUPE_WORKER__COLOUR", NEW);
    cluster.workers[0].signal(Signal::Hangup);
    let refused = cluster.workers[0].logged("the new configuration is refused: the old one stays").await;
    let faults = refused["fields"]["error"].as_str().unwrap();
    for fault in ["worker.lease: its file holds no such value", "TROUPE_WORKER__COLOUR: there is no such setting"] {
        assert!(faults.contains(fault), "{faults}");
    }
    assert_eq!(asked_with(&cluster, "Still the old one?").await, OLD);

    put("TROUPE_WORKER__LEASE", "20s");
    fs::remove_file(secrets.path().join("TROUPE_WORKER__COLOUR")).unwrap();
    cluster.workers[0].signal(Signal::Hangup);
    cluster.workers[0].logged("a provider has another key now").await;
    let waiting = settings(&cluster.workers[0], "these settings have changed, and need a restart").await;
    assert_eq!(waiting, "worker.lease");
    assert_eq!(asked_with(&cluster, "The new one?").await, NEW);
    cluster.assert_quiet_but_for(&["the old one stays"]).await;
}

#[tokio::test]
async fn qdrant_and_the_embedder_are_asked_with_the_key_of_the_moment() {
    let ground = Ground::new().await;
    let (qdrant, embedder) = (FakeQdrant::start_with_key("qdrant-old").await, ScriptedEmbedder::start(8).await);
    let secrets = directory(&[("QDRANT_API_KEY", "qdrant-old"), ("OPENAI_API_KEY", "embedder-old")]);
    let environment = [
        ("QDRANT_URL", qdrant.url()),
        ("OPENAI_BASE_URL", embedder.base_url().to_owned()),
        ("TROUPE_EMBEDDINGS__PROVIDER", "openai".to_owned()),
        ("TROUPE_EMBEDDINGS__MODEL", "scripted".to_owned()),
        ("TROUPE_EMBEDDINGS__DIMENSION", "8".to_owned()),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value)).to_vec();
    let live =
        Live::new(Sources { secrets: Some(secrets.path().to_owned()), environment, ..Sources::default() }).unwrap();
    let clock = Arc::new(SystemClock);
    let asking = embedders::from_config(&live, clock.clone(), &Tasks::default()).unwrap();
    let store = vector_stores::from_config(&live, asking.as_ref(), ground.pool.clone(), clock).unwrap();
    asking.embed(&["A text".to_owned()]).await.unwrap();
    assert_eq!(embedder.key().as_deref(), Some("embedder-old"));
    assert_eq!(store.searched().await.unwrap(), None);

    qdrant.set_key("qdrant-new");
    assert!(store.searched().await.unwrap_err().to_string().contains("PermissionDenied"));
    fs::write(secrets.path().join("QDRANT_API_KEY"), "qdrant-new").unwrap();
    fs::write(secrets.path().join("OPENAI_API_KEY"), "embedder-new").unwrap();
    live.read_again();
    assert_eq!(store.searched().await.unwrap(), None);
    asking.embed(&["A text".to_owned()]).await.unwrap();
    assert_eq!(embedder.key().as_deref(), Some("embedder-new"));
}

/// Another user in an address: before the host and, of a Unix socket of Redis, behind the path.
fn as_user(address: &str, name: &str, password: &str) -> String {
    let mut url: Url = address.parse().unwrap();
    url.set_username(name).unwrap();
    url.set_password(Some(password)).unwrap();
    url.into()
}

#[tokio::test]
async fn postgresql_and_redis_are_called_by_the_user_of_the_moment() {
    [OLD, NEW].into_iter().for_each(leaks::guard);
    let mut cluster = ClusterOptions::default().processes().own_engines().servers(0).workers(0).start().await;
    let addresses = ["DATABASE_URL", "REDIS_URL"].map(|name| (name, cluster.unset(name)));
    let secrets = tempfile::tempdir().unwrap();
    let call_as = |name: &str, password: &str| {
        for (variable, address) in &addresses {
            fs::write(secrets.path().join(variable), as_user(address, name, password)).unwrap();
        }
    };
    for (name, password) in [("monday", OLD), ("tuesday", NEW)] {
        cluster.db.execute(AssertSqlSafe(format!("create role {name} superuser login"))).await.unwrap();
        cluster.redis(&["ACL", "SETUSER", name, "on", &format!(">{password}"), "~*", "&*", "+@all"]).await;
    }
    call_as("monday", OLD);
    cluster.set("TROUPE_SECRETS_DIR", secrets.path().to_str().unwrap());
    cluster.add_server().await;
    cluster.add_worker().await;
    let user = cluster.client(0).await;
    let conversation = user.conversation("demo").await;
    user.ask(&conversation, "Monday?").await;

    call_as("tuesday", NEW);
    for process in cluster.servers.iter().chain(&cluster.workers) {
        process.signal(Signal::Hangup);
        process.logged("new connections to PostgreSQL have other credentials now").await;
        assert_eq!(settings(process, "these settings are taken over").await, "database.url, redis.url");
    }
    cluster.db.execute("alter role monday nologin").await.unwrap();
    let ended = "select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = 'monday'";
    assert!(cluster.number(ended).await >= 2);
    cluster.redis(&["ACL", "DELUSER", "monday"]).await;

    let request = send_patiently(&user, &conversation, "Tuesday?").await;
    assert_eq!(user.reply(&request).await, default_reply("Tuesday?"));
    let new = "select count(distinct application_name) from pg_stat_activity where usename = 'tuesday'";
    assert_eq!(cluster.number(new).await, 2, "the server and the worker");
}

#[tokio::test]
async fn the_mail_server_is_called_with_the_password_of_the_moment() {
    [OLD, NEW].into_iter().for_each(leaks::guard);
    let mail = MailServer::start().await;
    mail.take_only("troupe", OLD);
    let secrets = directory(&[("TROUPE_MAIL__URL", &as_user(mail.url(), "troupe", OLD))]);
    let options = with_mail(&mail).without("TROUPE_MAIL__URL").processes();
    let cluster = options.set("TROUPE_SECRETS_DIR", secrets.path().to_str().unwrap()).start().await;
    let (user, anybody) = (cluster.client(0).await, Client::anonymous(cluster.server(0)));
    assert_eq!(password_resets::ask(&anybody, &user.email).await.status, 202);
    mail.letters(1).await;

    mail.take_only("troupe", NEW);
    assert_eq!(password_resets::ask(&anybody, &user.email).await.status, 202);
    cluster.workers[0].logged("a job is a dead letter").await;
    fs::write(secrets.path().join("TROUPE_MAIL__URL"), as_user(mail.url(), "troupe", NEW)).unwrap();
    cluster.workers[0].signal(Signal::Hangup);
    assert_eq!(settings(&cluster.workers[0], "these settings are taken over").await, "mail.url");
    assert_eq!(password_resets::ask(&anybody, &user.email).await.status, 202);
    mail.letters(2).await;

    fs::write(secrets.path().join("TROUPE_MAIL__URL"), "smtp://troupe@127.0.0.2").unwrap();
    cluster.workers[0].signal(Signal::Hangup);
    let waiting = settings(&cluster.workers[0], "these settings have changed, and need a restart").await;
    assert_eq!(waiting, "mail.url", "another server is not another password");
    cluster.assert_quiet_but_for(&["a job is a dead letter", "need a restart"]).await;
}

/// Starts a server that must not come up; what it said.
async fn complaint(environment: &[(&str, &str)], file: &str) -> String {
    let directory = directory(&[("troupe.toml", file)]);
    let path = directory.path().join("troupe.toml");
    let environment: Vec<_> =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let arguments = ["--config".as_ref(), path.as_os_str()];
    let mut server = Process::start("troupe-server", "a server that fails".to_owned(), &arguments, &environment);
    assert!(!server.ended().await.success());
    server.lines().join("\n")
}

/// All that a process writes is searched for secrets when it ends: these are the places where one could get out.
#[tokio::test]
async fn faults_name_settings_and_tell_no_secrets() {
    leaks::guard("canary-hunter2-77");
    for (environment, file, named) in [
        (&[("DATABASE_URL", "postgres://u:canary-hunter2-77@127.0.0.1:1/d")][..], "", "connect to PostgreSQL"),
        (&[("DATABASE_URL", "postgres://u:canary-hunter2-77@host:port/d")], "", "connect to PostgreSQL"),
        (&[("DATABASE_URL", "canary-hunter2-77")], "", "connect to PostgreSQL"),
        (&[("DATABASE_URL", "postgres://u@h/d?pass=canary-hunter2-77")], "", "database.url"),
        (&[], "[database]\nurl = \"postgres://u:canary-hunter2-77@h/d\n", "line 2"),
        (&[], "[database]\nurl = [\"postgres://u:canary-hunter2-77@h/d\"]\n", "database.url"),
        (&[], "[providers.openai]\nkeys.default = [\"canary-hunter2-77\"]\n", "providers.openai.keys"),
        (&[], "[providers.openai]\nbase_url = \"https://u:canary-hunter2-77@h/\"\n", "providers.openai.base_url"),
        (&[("OPENAI_BASE_URL", "https:u:canary-hunter2-77@h:x/")], "", "providers.openai.base_url"),
        (&[("QDRANT_URL", "https://u:canary-hunter2-77@h/")], "", "qdrant.url"),
        (&[("QDRANT_API_KEY", "canary-hunter2-77\n")], "", "qdrant.api_key"),
    ] {
        let said = complaint(environment, file).await;
        assert!(said.contains(named), "{named}: {said}");
    }
}

#[tokio::test]
async fn redis_that_cannot_be_reached_is_named_without_its_password() {
    leaks::guard("canary-hunter2-77");
    let cluster = ClusterOptions::default().servers(0).workers(0).start().await;
    let (_, database) = cluster.environment().iter().find(|(name, _)| name == "DATABASE_URL").unwrap();
    for address in
        ["redis://:canary-hunter2-77@127.0.0.1:1/0", "redis://u:canary-hunter2-77@host:port", "canary-hunter2-77"]
    {
        let environment = [("DATABASE_URL", database.as_str()), ("REDIS_URL", address)];
        let said = complaint(&environment, "[redis]\ncommand_timeout = \"1s\"\n").await;
        assert!(said.contains("connect to Redis"), "{said}");
    }
}

/// The proof that the search for secrets finds one: a value of the environment that is wrong is quoted.
#[tokio::test]
#[should_panic(expected = "has written a secret")]
async fn a_secret_that_gets_out_fails_the_test() {
    leaks::guard("canary-hunter2-77");
    complaint(&[("TROUPE_WORKER__CONCURRENCY", "canary-hunter2-77")], "").await;
}

/// The same where nobody waits for the end of the process.
#[tokio::test]
#[should_panic(expected = "has written a secret")]
async fn a_secret_is_found_where_the_process_is_dropped() {
    leaks::guard("canary-hunter2-77");
    let environment = [("TROUPE_WORKER__CONCURRENCY".to_owned(), "canary-hunter2-77".to_owned())];
    let server = Process::start("troupe-server", "a server that fails".to_owned(), &[], &environment);
    server.printed("worker.concurrency").await;
}
