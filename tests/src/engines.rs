//! A PostgreSQL and a Redis for tests. They end with the process that has started them, even where it is killed.

use std::{
    env,
    fs::Permissions,
    io::Write,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};

use tempfile::TempDir;
use troupe_engines::{Durability, Postgres, Redis, Shutdown};

use crate::within;

/// A PostgreSQL and a Redis that nothing else uses. Dropping it ends them.
pub struct Engines {
    pub redis: Redis,
    pub postgres: Postgres,
    /// Before the directory: it removes that where we cannot.
    watchdog: Watchdog,
    directory: TempDir,
}

impl Engines {
    pub async fn start() -> Self {
        let directory = directory();
        let (at_postgres, at_redis) = (directory.path().join("postgres"), directory.path().join("redis"));
        let (postgres, redis) = within("the start of PostgreSQL and Redis", async {
            tokio::join!(
                Postgres::start(&at_postgres, Durability::Throwaway),
                Redis::start(&at_redis, Durability::Throwaway)
            )
        })
        .await;
        let postgres = postgres.unwrap_or_else(|error| panic!("start PostgreSQL: {error:#}"));
        let redis = redis.unwrap_or_else(|error| panic!("start Redis: {error:#}"));
        let mut watchdog = Watchdog::start(directory.path());
        watchdog.watch(&of_engines(&postgres, &redis));
        Self { redis, postgres, watchdog, directory }
    }

    /// The directory that theirs is in.
    pub fn parent(&self) -> &Path {
        self.directory.path().parent().expect("a directory in another")
    }

    /// Redis ends, and its address leads nowhere.
    pub async fn stop_redis(&mut self) {
        let stopped = within("the end of Redis", self.redis.stop()).await;
        stopped.unwrap_or_else(|error| panic!("stop Redis: {error:#}"));
    }

    /// Redis ends and comes back at the same address, with nothing in it.
    pub async fn restart_redis(&mut self) {
        let restarted = within("a restart of Redis", self.redis.restart()).await;
        restarted.unwrap_or_else(|error| panic!("restart Redis: {error:#}"));
        self.watchdog.watch(&of_engines(&self.postgres, &self.redis));
    }

    /// PostgreSQL ends, and its address leads nowhere.
    pub async fn stop_postgres(&mut self) {
        let stopped = within("the end of PostgreSQL", self.postgres.stop()).await;
        stopped.unwrap_or_else(|error| panic!("stop PostgreSQL: {error:#}"));
    }

    /// PostgreSQL ends and comes back at the same address, with everything that was committed.
    pub async fn restart_postgres(&mut self, shutdown: Shutdown) {
        let restarted = within("a restart of PostgreSQL", self.postgres.restart(shutdown)).await;
        restarted.unwrap_or_else(|error| panic!("restart PostgreSQL: {error:#}"));
        self.watchdog.watch(&of_engines(&self.postgres, &self.redis));
    }
}

const MEMORY: &str = "/dev/shm";
/// Many times what was there when the tests of `chat` were half-way.
const ENOUGH_MEMORY: u64 = 4 << 30;

/// For engines whose data are thrown away: in memory, where there is enough. On a disk, a fifth of the time of the
/// tests of `chat` went into making and removing the files of their databases.
pub(crate) fn directory() -> TempDir {
    let roomy = rustix::fs::statvfs(MEMORY).is_ok_and(|files| files.f_bavail * files.f_frsize >= ENOUGH_MEMORY);
    let parent = if roomy { PathBuf::from(MEMORY) } else { env::temp_dir() };
    // PostgreSQL may run as another user, who must get through.
    let passable = Permissions::from_mode(0o711);
    let directory = tempfile::Builder::new().prefix("troupe-tests-").permissions(passable).tempdir_in(parent);
    directory.expect("a directory for the engines")
}

/// Ends engines, and removes what they leave, when this process is killed: they are in process groups of their own.
///
/// A shell that reads a pipe of which we alone hold the other end. At its end it does so, unless it was told that all
/// is well.
pub(crate) struct Watchdog {
    shell: Child,
    orders: Option<ChildStdin>,
}

const WATCH: &str = r#"
    while read -r line; do last="$line"; done
    [ "$last" = done ] && exit
    for entry in $last; do kill -s "${entry%:*}" "${entry#*:}"; done
    for entry in $last; do while kill -s 0 "${entry#*:}"; do sleep 0.1; done; done
    rm -rf "$1"
"#;

/// The signals that end engines at once.
fn of_engines(postgres: &Postgres, redis: &Redis) -> [(&'static str, u32); 2] {
    [("QUIT", postgres.pid()), ("KILL", redis.pid())]
}

impl Watchdog {
    pub(crate) fn start(directory: &Path) -> Self {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", WATCH, "watchdog"]).arg(directory).current_dir("/");
        // Ctrl-C of a terminal reaches us, and not it.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut shell = command.spawn().unwrap_or_else(|error| panic!("start a shell: {error}"));
        let orders = shell.stdin.take();
        Self { shell, orders }
    }

    /// The processes that there are now, each with the signal that ends it.
    pub(crate) fn watch(&mut self, processes: &[(&str, u32)]) {
        let entries: Vec<_> = processes.iter().map(|(signal, id)| format!("{signal}:{id}")).collect();
        self.order(&entries.join(" "));
    }

    fn order(&mut self, line: &str) {
        let orders = self.orders.as_mut().expect("a pipe to the watchdog");
        writeln!(orders, "{line}").unwrap_or_else(|error| panic!("the watchdog has gone: {error}"));
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.order("done");
        self.orders = None;
        _ = self.shell.wait();
    }
}
