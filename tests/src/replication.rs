//! A PostgreSQL with a streaming standby, for tests in which the primary dies. Both end with the test's process,
//! whatever ends that.

use std::{
    fs::{self, Permissions},
    io::{BufRead, BufReader},
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    str::FromStr,
};

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};
use tempfile::TempDir;

use crate::{Relay, Signal, engines, within};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replication {
    /// A commit is acknowledged when the standby has it.
    Synchronous,
    Asynchronous,
    /// The same, and servers read from the standby what may be seen late.
    Read,
}

const SETTINGS: [&str; 12] = [
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "max_connections=200",
    "shared_buffers=32MB",
    "fsync=off",
    "wal_level=replica",
    "max_wal_senders=4",
    "hot_standby=on",
    "wal_retrieve_retry_interval=200ms",
    "timezone=UTC",
    "log_timezone=UTC",
    "log_min_messages=warning",
];
const STANDBY: &str = "standby";

/// Ends its server when it loses us: its input is a pipe of which we alone hold the other end.
const KEEP: &str = r#""$@" </dev/null >&2 & echo $!; cat >/dev/null; kill -s QUIT $! 2>/dev/null; wait"#;

/// A primary and its standby, ended when it is dropped.
pub struct ReplicatedPostgres {
    primary: Server,
    standby: Server,
    _directory: TempDir,
}

impl ReplicatedPostgres {
    pub async fn start(replication: Replication) -> Self {
        within("a PostgreSQL with a standby", Self::start_both(replication)).await
    }

    async fn start_both(replication: Replication) -> Self {
        let directory = engines::directory();
        let (user, programs) = (User::of_postgres(), programs());
        let primary = Files::create(directory.path(), "primary", user);
        user.run(&programs.join("initdb"), &primary, |initdb| {
            initdb.arg("-D").arg(&primary.data);
            initdb.args(["-U", "troupe", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C", "--lc-ctype=C.UTF-8"])
        });
        let primary = Server::start(primary, user, &programs, "primary").await;
        primary.execute("postgres", "create database troupe").await;
        let standby = Files::create(directory.path(), STANDBY, user);
        user.run(&programs.join("pg_basebackup"), &standby, |backup| {
            backup.arg("-D").arg(&standby.data).arg("-h").arg(&primary.files.sockets);
            backup.args(["-U", "troupe", "-R", "-X", "stream", "--checkpoint=fast", "--no-sync"])
        });
        let standby = Server::start(standby, user, &programs, STANDBY).await;
        let both = Self { primary, standby, _directory: directory };
        both.primary.comes_true("select count(*) = 1 from pg_stat_replication where state = 'streaming'").await;
        if replication == Replication::Synchronous {
            // Not before the backup: once promoted, the standby must wait for nobody.
            let primary = &both.primary;
            primary.execute("postgres", &format!("alter system set synchronous_standby_names = '{STANDBY}'")).await;
            primary.execute("postgres", "select pg_reload_conf()").await;
            primary.comes_true("select count(*) = 1 from pg_stat_replication where sync_state = 'sync'").await;
        }
        both
    }

    /// Of both, for whoever is to find the primary; it is reached by a relay where there is one.
    pub fn url(&self, relay: Option<&Relay>) -> String {
        let [primary, standby] = [&self.primary, &self.standby].map(|server| server.files.sockets.display());
        let hosts = match relay {
            Some(relay) => format!("host=127.0.0.1,{standby}&port={},5432", relay.port()),
            None => format!("host={primary},{standby}"),
        };
        format!("postgres://troupe@localhost/troupe?{hosts}&sslmode=disable&target_session_attrs=read-write")
    }

    pub fn primary_url(&self) -> String {
        self.primary.url("troupe")
    }

    pub fn standby_url(&self) -> String {
        self.standby.url("troupe")
    }

    /// As when the machine goes.
    pub fn kill_primary(&mut self) {
        self.primary.kill();
    }

    pub fn kill_standby(&mut self) {
        self.standby.kill();
    }

    /// The standby goes on receiving, and shows nothing of it until it replays again.
    pub async fn pause_replay(&self) {
        self.standby.execute("postgres", "select pg_wal_replay_pause()").await;
        within("a pause", self.standby.comes_true("select pg_get_wal_replay_pause_state() = 'paused'")).await;
    }

    pub async fn resume_replay(&self) {
        self.standby.execute("postgres", "select pg_wal_replay_resume()").await;
    }

    pub async fn promote_standby(&mut self) {
        within("the promotion", self.standby.execute("postgres", "select pg_promote()")).await;
    }

    /// What is committed from now on does not reach the standby.
    pub async fn stop_replication(&self) {
        let caught_up = "select count(*) = 1 from pg_stat_replication where replay_lsn >= pg_current_wal_lsn()";
        within("a standby that has everything", self.primary.comes_true(caught_up)).await;
        self.standby.execute("postgres", "alter system set primary_conninfo = ''").await;
        self.standby.execute("postgres", "select pg_reload_conf()").await;
        within("the end of the replication", self.primary.comes_true("select count(*) = 0 from pg_stat_replication"))
            .await;
    }
}

struct Files {
    data: PathBuf,
    sockets: PathBuf,
}

impl Files {
    fn create(directory: &Path, name: &str, user: User) -> Self {
        let home = directory.join(name);
        let files = Self { data: home.join("data"), sockets: home.join("run") };
        for path in [&home, &files.data, &files.sockets] {
            fs::create_dir(path).expect("a directory for PostgreSQL");
            fs::set_permissions(path, Permissions::from_mode(0o700)).expect("its permissions");
            user.own(path);
        }
        files
    }
}

struct Server {
    files: Files,
    pid: u32,
    keeper: Child,
}

impl Drop for Server {
    /// The directory is removed afterwards.
    fn drop(&mut self) {
        // Waiting closes the pipe.
        _ = self.keeper.wait();
    }
}

impl Server {
    async fn start(files: Files, user: User, programs: &Path, name: &str) -> Self {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", KEEP, "keeper"]).arg(programs.join("postgres")).arg("-D").arg(&files.data);
        command.arg("-k").arg(&files.sockets).args(["-p", "5432", "-c", &format!("cluster_name={name}")]);
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        command.current_dir(&files.data).env("LC_ALL", "C").process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        user.becomes(&mut command);
        let mut keeper = command.spawn().expect("start PostgreSQL");
        let output = keeper.stdout.take().expect("a pipe");
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).expect("a line");
        let pid = line.trim().parse().expect("the number of a process");
        let server = Self { files, pid, keeper };
        while server.connect("postgres").await.is_err() {
            tokio::task::yield_now().await;
        }
        server
    }

    /// kill -9 of all of its processes, as if at once. Processes that saw the postmaster die before them would give up
    /// waiting for the standby, and let others read what only this server has committed. So it is frozen, which they do
    /// not notice, and ends last.
    fn kill(&mut self) {
        let postmaster = self.pid;
        Signal::Stop.send(postmaster).expect("a postmaster to freeze");
        let children = fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children"));
        let children = children.expect("the processes of PostgreSQL");
        for process in children.split_whitespace().filter_map(|pid| pid.parse().ok()).chain([postmaster]) {
            // A child may have ended meanwhile.
            _ = Signal::Kill.send(process);
        }
        self.keeper.wait().expect("the end of PostgreSQL");
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://troupe@localhost:5432/{database}?host={}&sslmode=disable", self.files.sockets.display())
    }

    async fn connect(&self, database: &str) -> sqlx::Result<PgConnection> {
        PgConnectOptions::from_str(&self.url(database))?.disable_statement_logging().connect().await
    }

    async fn execute(&self, database: &str, statement: &str) {
        let execute = async {
            let mut connection = self.connect(database).await?;
            sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await?;
            connection.close().await
        };
        execute.await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }

    async fn comes_true(&self, condition: &str) {
        let mut connection = self.connect("postgres").await.expect("a connection to PostgreSQL");
        loop {
            let holds = sqlx::query_scalar(AssertSqlSafe(condition.to_owned())).fetch_one(&mut connection).await;
            if holds.unwrap_or_else(|error| panic!("{condition}: {error}")) {
                return;
            }
        }
    }
}

/// PostgreSQL does not run as root.
#[derive(Debug, Clone, Copy)]
struct User(Option<(u32, u32)>);

impl User {
    fn of_postgres() -> Self {
        use std::os::unix::fs::MetadataExt;
        let here = fs::metadata("/proc/self").expect("/proc");
        if here.uid() != 0 {
            return Self(None);
        }
        let users = fs::read_to_string("/etc/passwd").expect("/etc/passwd");
        let line = ["postgres:", "nobody:"].iter().find_map(|name| users.lines().find(|line| line.starts_with(name)));
        let fields: Vec<_> = line.expect("a user for PostgreSQL").split(':').collect();
        Self(Some((fields[2].parse().expect("a user"), fields[3].parse().expect("a group"))))
    }

    fn own(self, path: &Path) {
        if let Self(Some((user, group))) = self {
            chown(path, Some(user), Some(group)).expect("another owner");
        }
    }

    fn becomes(self, command: &mut Command) {
        if let Self(Some((user, group))) = self {
            command.uid(user).gid(group);
        }
    }

    fn run(self, program: &Path, files: &Files, arguments: impl FnOnce(&mut Command) -> &mut Command) {
        let mut command = Command::new(program);
        arguments(&mut command).current_dir(&files.data).env("LC_ALL", "C");
        self.becomes(&mut command);
        let output = command.output().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        assert!(output.status.success(), "{}: {}", program.display(), String::from_utf8_lossy(&output.stderr));
    }
}

/// Debian has a directory for each version, the newest of which is taken; elsewhere they are in the path.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let version = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let newest = versions.map(|entry| entry.path()).filter(|path| path.join("bin/initdb").exists()).max_by_key(version);
    newest.map(|path| path.join("bin")).unwrap_or_default()
}
