//! Real engines, started, killed and started again.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use fred::prelude::{Builder, ClientLike, KeysInterface};
use sqlx::{Connection, Executor, PgConnection};
use tempfile::TempDir;
use troupe_core::lifecycle::Tasks;

use crate::{
    DataDir, Durability, EngineError, Postgres, PostgresClient, Redis,
    account::Account,
    process::{self, Signal},
    programs,
};

/// A directory that the user PostgreSQL runs as can reach, like most that people keep projects in.
fn open_directory() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    dir
}

async fn connect(postgres: &Postgres) -> PgConnection {
    PgConnection::connect(postgres.url()).await.unwrap()
}

async fn remember(postgres: &Postgres) {
    connect(postgres).await.execute("create table kept as select 7 as number").await.unwrap();
}

async fn remembered(postgres: &Postgres) -> i32 {
    sqlx::query_scalar("select number from kept").fetch_one(&mut connect(postgres).await).await.unwrap()
}

async fn redis_client(redis: &Redis) -> fred::clients::Client {
    let client = Builder::from_config(fred::types::config::Config::from_url(redis.url()).unwrap()).build().unwrap();
    client.init().await.unwrap();
    client
}

fn alive(pid: u32) -> bool {
    let shell = Command::new("sh").args(["-c", &format!("kill -0 {pid}")]).stderr(Stdio::null()).status();
    let zombie = fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.is_empty());
    shell.unwrap().success() && !zombie
}

async fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !reached() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_second_start_finds_the_data() {
    let dir = open_directory();
    for round in 0..2 {
        let mut postgres = Postgres::start(dir.path(), Durability::Durable).await.unwrap();
        let mut redis = Redis::start(dir.path(), Durability::Durable).await.unwrap();
        let client = redis_client(&redis).await;
        if round == 0 {
            remember(&postgres).await;
            client.set::<(), _, _>("kept", "7", None, None, false).await.unwrap();
        }
        assert_eq!(remembered(&postgres).await, 7);
        assert_eq!(client.get::<String, _>("kept").await.unwrap(), "7");
        client.quit().await.unwrap();
        let (postgres_pid, redis_pid) = (postgres.pid(), redis.pid());
        postgres.stop().await.unwrap();
        redis.stop().await.unwrap();
        assert!(!alive(postgres_pid) && !alive(redis_pid));
    }
    let log = fs::read_to_string(dir.path().join("postgres.log")).unwrap();
    assert!(log.contains("database system is shut down"), "no clean shutdown:\n{log}");
}

#[tokio::test]
async fn both_clients_of_redis_and_the_standard_settings_work() {
    let dir = open_directory();
    // Spawned: starting must not need a thread of its own.
    let postgres = Tasks::default().spawn({
        let dir = dir.path().to_owned();
        async move { Postgres::start(&dir, Durability::Throwaway).await.unwrap() }
    });
    let redis = Redis::start(dir.path(), Durability::Throwaway).await.unwrap();
    let mut connection = redis::Client::open(redis.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let policy: Vec<String> =
        redis::cmd("CONFIG").arg("GET").arg("maxmemory-policy").query_async(&mut connection).await.unwrap();
    assert_eq!(policy[1], "noeviction");
    let postgres = postgres.await.unwrap();
    let (addresses, lowered): (String, String) =
        sqlx::query_as("select current_setting('listen_addresses'), lower('ÄÉ')")
            .fetch_one(&mut connect(&postgres).await)
            .await
            .unwrap();
    assert_eq!((addresses.as_str(), lowered.as_str()), ("", "äé"));
}

/// Not a test of its own: the process that the next one kills.
#[tokio::test]
#[ignore = "started by a_killed_predecessor_is_cleaned_up"]
async fn hold_engines_until_killed() {
    let Some(dir) = std::env::var_os("TROUPE_TEST_DIR").map(PathBuf::from) else { return };
    let data = DataDir::lock(&dir).unwrap();
    let postgres = Postgres::start(data.path(), Durability::Durable).await.unwrap();
    let redis = Redis::start(data.path(), Durability::Durable).await.unwrap();
    remember(&postgres).await;
    redis_client(&redis).await.set::<(), _, _>("kept", "7", None, None, false).await.unwrap();
    fs::write(dir.join("ready.new"), format!("{} {}", postgres.pid(), redis.pid())).unwrap();
    fs::rename(dir.join("ready.new"), dir.join("ready")).unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_killed_predecessor_is_cleaned_up() {
    let dir = open_directory();
    let ready = dir.path().join("ready");
    let mut predecessor = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "tests::hold_engines_until_killed"])
        .env("TROUPE_TEST_DIR", dir.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until("the predecessor runs", || ready.exists()).await;

    let refused = DataDir::lock(dir.path()).unwrap_err().to_string();
    assert!(refused.ends_with(&format!("is already in use by process {}", predecessor.id())), "{refused}");
    let refused = Postgres::start(dir.path(), Durability::Durable).await.unwrap_err().to_string();
    assert!(refused.ends_with(&format!("is already in use by process {}", predecessor.id())), "{refused}");
    assert!(!refused.contains('\n'));
    assert!(matches!(Redis::start(dir.path(), Durability::Durable).await, Err(EngineError::InUse { .. })));

    let pids = fs::read_to_string(&ready).unwrap();
    let pids: Vec<u32> = pids.split(' ').map(|pid| pid.parse().unwrap()).collect();
    // Redis flushes every second; what it has written to its file survives the kill of us at once.
    predecessor.kill().unwrap();
    predecessor.wait().unwrap();
    assert!(pids.iter().all(|pid| alive(*pid)), "the engines outlive a kill");

    let _data = DataDir::lock(dir.path()).unwrap();
    let postgres = Postgres::start(dir.path(), Durability::Durable).await.unwrap();
    let redis = Redis::start(dir.path(), Durability::Durable).await.unwrap();
    assert_eq!(remembered(&postgres).await, 7);
    assert_eq!(redis_client(&redis).await.get::<String, _>("kept").await.unwrap(), "7");
    assert!(pids.iter().all(|pid| !alive(*pid)), "the leftovers are gone");
}

#[tokio::test]
async fn a_stale_pid_file_does_not_prevent_a_start() {
    let dir = open_directory();
    let mut postgres = Postgres::start(dir.path(), Durability::Throwaway).await.unwrap();
    remember(&postgres).await;
    postgres.stop().await.unwrap();
    drop(postgres);
    // A process of the same user that has got the number since: it must be neither stopped nor taken for PostgreSQL.
    let data = dir.path().join("postgres/data");
    let account = Account::for_postgres(&data).unwrap();
    let mut innocent = Command::new("sleep");
    innocent.arg("60");
    if let Some(account) = &account {
        account.run(&mut innocent);
    }
    let mut innocent = innocent.spawn().unwrap();
    let file = data.join("postmaster.pid");
    fs::write(&file, format!("{}\n{}\n1700000000\n5432\n\n\n", innocent.id(), data.display())).unwrap();
    if let Some(account) = &account {
        account.own(&file).unwrap();
    }
    fs::create_dir_all(dir.path().join("redis")).unwrap();
    fs::write(dir.path().join("redis/pid"), innocent.id().to_string()).unwrap();

    let postgres = Postgres::start(dir.path(), Durability::Throwaway).await.unwrap();
    let _redis = Redis::start(dir.path(), Durability::Throwaway).await.unwrap();
    assert_eq!(remembered(&postgres).await, 7);
    assert!(alive(innocent.id()));
    innocent.kill().unwrap();
    innocent.wait().unwrap();
}

#[tokio::test]
async fn a_killed_postmaster_is_started_again() {
    let dir = open_directory();
    let postgres = Postgres::start(dir.path(), Durability::Throwaway).await.unwrap();
    remember(&postgres).await;
    let mut busy = connect(&postgres).await;
    let busy = Tasks::default().spawn(async move { busy.execute("select pg_sleep(30)").await });
    process::send(Signal::Kill, postgres.pid());
    until("it is dead", || !alive(postgres.pid())).await;
    drop(postgres);
    let postgres = Postgres::start(dir.path(), Durability::Throwaway).await.unwrap();
    assert_eq!(remembered(&postgres).await, 7);
    assert!(busy.await.unwrap().is_err());
}

#[tokio::test]
async fn two_at_once_are_refused() {
    let dir = open_directory();
    let _first = Redis::start(dir.path(), Durability::Throwaway).await.unwrap();
    let second = Redis::start(dir.path(), Durability::Throwaway).await.unwrap_err();
    let path = dir.path().canonicalize().unwrap();
    assert_eq!(
        second.to_string(),
        format!("{}/redis is already in use by process {}", path.display(), std::process::id())
    );
}

#[tokio::test]
async fn a_dump_of_what_runs_fills_another() {
    let (dir, elsewhere) = (open_directory(), open_directory());
    let postgres = Postgres::start(dir.path(), Durability::Throwaway).await.unwrap();
    remember(&postgres).await;
    let client = PostgresClient::of_running(dir.path()).unwrap().expect("as another process finds it");
    assert_eq!(client.url(), postgres.url());
    let mut reader = connect(&postgres).await;
    reader.execute("begin isolation level repeatable read, read only").await.unwrap();
    let snapshot: String = sqlx::query_scalar("select pg_export_snapshot()").fetch_one(&mut reader).await.unwrap();
    connect(&postgres).await.execute("update kept set number = 8").await.unwrap();
    let mut dump = Vec::new();
    let sink = |bytes: &[u8]| {
        dump.extend_from_slice(bytes);
        Ok(())
    };
    client.dump(&snapshot, sink).await.unwrap();

    assert!(PostgresClient::of_running(elsewhere.path()).unwrap().is_none() && !Postgres::is_in(elsewhere.path()));
    let mut other = Postgres::start(elsewhere.path(), Durability::Throwaway).await.unwrap();
    other.client().restore(&*dump).await.unwrap();
    assert_eq!(remembered(&other).await, 7, "as the snapshot saw it");
    let again = other.client().restore(&*dump).await.unwrap_err().to_string();
    assert!(again.starts_with("pg_restore ended with") && again.contains("already exists"), "{again}");
    other.stop_and_sync().await.unwrap();
    drop(other);
    Postgres::remove(elsewhere.path()).await.unwrap();
    assert!(!Postgres::is_in(elsewhere.path()) && !elsewhere.path().join("postgres").exists());
}

#[test]
fn a_missing_program_is_one_line_of_advice() {
    let empty = tempfile::tempdir().unwrap();
    let places = [empty.path().to_owned()];
    insta::assert_snapshot!(programs::find_postgres(&places, None).unwrap_err(), @"PostgreSQL is not installed: run scripts/setup, or install its server (Debian, Ubuntu: apt install postgresql; Fedora: dnf install postgresql-server; macOS: brew install postgresql), or set DATABASE_URL");
    insta::assert_snapshot!(programs::find_redis(&places).unwrap_err(), @"Redis is not installed: run scripts/setup, or install it (Debian, Ubuntu: apt install redis-server; Fedora: dnf install valkey; macOS: brew install redis), or set REDIS_URL");
    // A client without its server, as libpq's packages leave it, does not count.
    std::os::unix::fs::symlink("/bin/sh", empty.path().join("pg_ctl")).unwrap();
    assert!(matches!(programs::find_postgres(&places, None), Err(EngineError::Missing { .. })));
}

#[test]
fn a_cluster_of_another_version_is_named() {
    let error = programs::find_postgres(&programs::directories(), Some("7")).unwrap_err().to_string();
    assert!(error.starts_with("the database was made by PostgreSQL 7, and only "), "{error}");
}

#[tokio::test]
async fn a_failed_start_shows_the_end_of_the_log() {
    let dir = open_directory();
    drop(Postgres::start(dir.path(), Durability::Throwaway).await.unwrap());
    fs::write(dir.path().join("postgres/data/postgresql.auto.conf"), "nonsense = 1\n").unwrap();
    let error = Postgres::start(dir.path(), Durability::Throwaway).await.unwrap_err().to_string();
    assert!(error.starts_with("PostgreSQL did not start (exit status: 1); "), "{error}");
    assert!(error.contains("unrecognized configuration parameter \"nonsense\""), "{error}");
}

#[tokio::test]
async fn deep_and_odd_directories_work() {
    let dir = open_directory();
    for name in ["d".repeat(120), "with space, 100% & é".to_owned()] {
        let deep = dir.path().join(name);
        let postgres = Postgres::start(&deep, Durability::Throwaway).await.unwrap();
        let redis = Redis::start(&deep, Durability::Throwaway).await.unwrap();
        remember(&postgres).await;
        redis_client(&redis).await;
        let sockets = postgres.socket_dir().to_owned();
        assert!(!sockets.starts_with(dir.path()));
        assert_eq!(fs::metadata(&sockets).unwrap().permissions().mode() & 0o777, 0o700);
        drop((postgres, redis));
        assert!(!sockets.exists());
        let postgres = Postgres::start(&deep, Durability::Throwaway).await.unwrap();
        assert_eq!(remembered(&postgres).await, 7);
    }
}

/// As root, below something like /root/x; as anybody else there is nothing to it.
#[tokio::test]
async fn a_directory_that_postgres_cannot_reach_works() {
    let closed = tempfile::tempdir().unwrap();
    fs::set_permissions(closed.path(), Permissions::from_mode(0o700)).unwrap();
    let postgres = Postgres::start(closed.path(), Durability::Throwaway).await.unwrap();
    remember(&postgres).await;
    assert_eq!(remembered(&postgres).await, 7);
}

#[tokio::test]
async fn a_link_to_a_lost_cluster_is_no_empty_database() {
    let dir = open_directory();
    fs::create_dir(dir.path().join("postgres")).unwrap();
    std::os::unix::fs::symlink("/nonexistent/data", dir.path().join("postgres/data")).unwrap();
    let error = Postgres::start(dir.path(), Durability::Durable).await.unwrap_err().to_string();
    assert!(error.starts_with("the database is missing: "), "{error}");
}

#[tokio::test]
async fn dropping_kills_even_in_a_panic() {
    let dir = open_directory();
    let path = dir.path().to_owned();
    let (sender, pids) = std::sync::mpsc::channel();
    let panicked = Tasks::default().spawn(async move {
        let postgres = Postgres::start(&path, Durability::Throwaway).await.unwrap();
        let redis = Redis::start(&path, Durability::Throwaway).await.unwrap();
        let _busy = connect(&postgres).await;
        sender.send([postgres.pid(), redis.pid()]).unwrap();
        panic!("as a failing test would");
    });
    assert!(panicked.await.unwrap_err().is_panic());
    assert!(pids.recv().unwrap().iter().all(|pid| !alive(*pid)));
    assert!(!dir.path().join("postgres/data/postmaster.pid").exists());
}

#[tokio::test]
async fn the_engines_are_out_of_reach_of_the_terminal() {
    let dir = open_directory();
    let redis = Redis::start(dir.path(), Durability::Throwaway).await.unwrap();
    let output = Command::new("ps").args(["-o", "pgid=", "-p", &redis.pid().to_string()]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), redis.pid().to_string());
}

#[test]
fn accounts_are_looked_up_and_root_is_none_of_them() {
    let passwd = "root:x:0:0:root:/root:/bin/bash\nodd\nnobody:x:65534:65533:nobody:/nonexistent:/bin/false\n";
    let nobody = Account::look_up("nobody", passwd).unwrap();
    insta::assert_debug_snapshot!(nobody, @r#"
    Account {
        name: "nobody",
        uid: 65534,
        gid: 65533,
    }
    "#);
    assert_eq!(Account::look_up("root", passwd), None);
    assert_eq!(Account::look_up("postgres", passwd), None);
    assert!(nobody.may_enter(Path::new("/")).is_ok_and(|may| may) || !is_root());
}

fn is_root() -> bool {
    tempfile::tempfile()
        .and_then(|file| file.metadata())
        .is_ok_and(|file| std::os::unix::fs::MetadataExt::uid(&file) == 0)
}
