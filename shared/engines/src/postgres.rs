//! A private PostgreSQL: one Unix socket, no port, one superuser and one database, both called `troupe`.
//!
//! `dir/postgres/data` is the cluster, or a link to it where the user that PostgreSQL runs as cannot reach `dir`.
//! Its configuration file is not used: every setting is on the command line, so it is the same after an upgrade.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    str::FromStr,
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, postgres::PgConnectOptions};
use tempfile::TempDir;

use crate::{
    DataDir, Durability, EngineError,
    account::Account,
    directories::{self, Log, SocketDir},
    postgres_client::PostgresClient,
    process::{self, Description, Process, Signal, StopSequence},
    programs,
};

const ENGINE: &str = "PostgreSQL";
const NAME: &str = "troupe";
const SOCKET: &str = ".s.PGSQL.5432";
const PORT: &str = "5432";
/// Temporary directories of clusters under construction.
const INITDB_PREFIX: &str = "initdb-";
/// For root, where the cluster's user cannot reach the configured directory.
const FALLBACK_HOME: &str = "/var/lib/troupe";
/// Fast shutdown, immediate shutdown, and what leaves shared memory behind.
const STOP_SIGNALS: &StopSequence = &[
    (Signal::Interrupt, Duration::from_mins(1)),
    (Signal::Quit, Duration::from_secs(10)),
    (Signal::Kill, Duration::from_secs(5)),
];
const SETTINGS: [&str; 5] =
    ["listen_addresses=", "unix_socket_permissions=0700", "max_connections=200", "timezone=UTC", "log_timezone=UTC"];
const DURABLE: [&str; 1] = ["shared_buffers=128MB"];
/// Commits are still written before they are acknowledged, as in production: a killed PostgreSQL loses none.
const THROWAWAY: [&str; 5] =
    ["shared_buffers=32MB", "fsync=off", "full_page_writes=off", "wal_level=minimal", "max_wal_senders=0"];

/// A running PostgreSQL; dropping it ends it.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    url: String,
    bin: PathBuf,
    // Dropped in this order, after the process has ended: the directory is given up last.
    sockets: SocketDir,
    cluster: Cluster,
    durability: Durability,
    log: Log,
    _dir: DataDir,
}

impl Postgres {
    /// Starts on `dir/postgres`, creating a cluster there on first use, waits until it accepts connections, and creates
    /// the database `troupe` if it is missing.
    pub async fn start(dir: &Path, durability: Durability) -> Result<Self, EngineError> {
        let directories = programs::directories();
        // Reported before anything is created.
        programs::find_postgres(&directories, None)?;
        let own = DataDir::lock(&dir.join("postgres"))?;
        let log = Log::begin(own.path().with_extension("log"))?;
        let account = Account::for_postgres(&own.path().join("data"))?;
        let cluster = Cluster::locate(own.path(), account, durability)?;
        let bin = programs::find_postgres(&directories, cluster.version()?.as_deref())?;
        if cluster.version()?.is_none() {
            cluster.initialise(&bin, &log).await?;
        }
        cluster.stop_leftover().await?;
        let sockets = SocketDir::create(&cluster.home.join("run"), SOCKET, cluster.account.as_ref())?;
        let url = url(sockets.path());
        let process = cluster.start(&bin, sockets.path(), &url, durability, &log).await?;
        let postgres = Self { process, url, bin, sockets, cluster, durability, log, _dir: own };
        create_database(&postgres.url).await.map_err(EngineError::Database)?;
        Ok(postgres)
    }

    /// For sqlx and libpq: `postgres://troupe@localhost:5432/troupe?host=/…&sslmode=disable`.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn socket_dir(&self) -> &Path {
        self.sockets.path()
    }

    /// The directory of psql, `pg_dump` and pgbench of the same version, if they are installed.
    pub fn bin_dir(&self) -> &Path {
        &self.bin
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The programs that dump and restore it.
    pub fn client(&self) -> PostgresClient {
        PostgresClient::new(self.url.clone(), self.bin.clone())
    }

    /// Whether `dir` has a cluster; nothing is started.
    pub fn is_in(dir: &Path) -> bool {
        data_link(dir).symlink_metadata().is_ok()
    }

    /// Removes the cluster of `dir` with everything in it, also one that a killed process left running.
    pub async fn remove(dir: &Path) -> Result<(), EngineError> {
        let home = dir.join("postgres");
        if Self::is_in(dir) {
            let account = Account::for_postgres(&data_link(dir))?;
            let cluster = Cluster::locate(&home, account, Durability::Durable)?;
            cluster.stop_leftover().await?;
            fs::remove_dir_all(&cluster.home).map_err(EngineError::io("remove", &cluster.home))?;
        }
        if home.exists() {
            fs::remove_dir_all(&home).map_err(EngineError::io("remove", &home))?;
        }
        Ok(())
    }

    /// Deletes the database with everything in it, and creates an empty one.
    pub async fn reset(&self) -> Result<(), EngineError> {
        let reset = async {
            drop_database(&self.url).await?;
            create_database(&self.url).await
        };
        reset.await.map_err(EngineError::Database)
    }

    /// Fast shutdown: ends open transactions, flushes everything, and waits for the end.
    pub async fn stop(&mut self) -> Result<(), EngineError> {
        self.process.stop(STOP_SIGNALS).await
    }

    /// The same, and flushes every file of the cluster: `initdb` leaves its own to the next checkpoint of the machine.
    pub async fn stop_and_sync(&mut self) -> Result<(), EngineError> {
        self.stop().await?;
        let mut sync = self.cluster.command(&self.bin.join("initdb"));
        sync.arg("-D").arg(&self.cluster.data).arg("--sync-only");
        process::run(ENGINE, sync, &self.log).await
    }

    /// Restarts it at the same address and on the same files; returns when it accepts connections.
    pub async fn restart(&mut self, shutdown: Shutdown) -> Result<(), EngineError> {
        let stop_signals = match shutdown {
            Shutdown::Fast => STOP_SIGNALS,
            Shutdown::Immediate => &STOP_SIGNALS[1..],
        };
        self.process.stop(stop_signals).await?;
        let (bin, sockets) = (&self.bin, self.sockets.path());
        self.process = self.cluster.start(bin, sockets, &self.url, self.durability, &self.log).await?;
        Ok(())
    }
}

/// The mode of a shutdown, as `pg_ctl stop -m` calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// Open transactions are aborted, and everything is flushed.
    Fast,
    /// As in a crash: nothing is flushed, and the next start recovers what was committed.
    Immediate,
}

/// The files of a PostgreSQL, and their owner.
#[derive(Debug)]
struct Cluster {
    home: PathBuf,
    data: PathBuf,
    account: Option<Account>,
    _temporary: Option<TempDir>,
}

impl Cluster {
    /// Locates the cluster, or chooses a directory for a new one.
    fn locate(dir: &Path, account: Option<Account>, durability: Durability) -> Result<Self, EngineError> {
        let link = dir.join("data");
        if link.is_symlink() {
            let data = link.canonicalize().map_err(|_| {
                let target = fs::read_link(&link).unwrap_or_default();
                EngineError::Unusable(format!(
                    "the database is missing: {} leads to {}, which is gone; remove the link to begin anew",
                    link.display(),
                    target.display()
                ))
            })?;
            let home = data.parent().unwrap_or(dir).to_owned();
            return Ok(Self { home, data, account, _temporary: None });
        }
        let home = dir.to_owned();
        let Some(user) = account.as_ref() else {
            return Ok(Self { data: link, home, account, _temporary: None });
        };
        if user.may_enter(dir)? {
            return Ok(Self { data: link, home, account, _temporary: None });
        }
        if link.exists() {
            return Err(EngineError::Unusable(format!(
                "PostgreSQL runs as user {}, who cannot reach {}: allow passing through the directories above (chmod o+x)",
                user.name,
                link.display()
            )));
        }
        let (home, temporary) = fallback_home(user, durability)?;
        let data = home.join("data");
        if durability == Durability::Durable {
            std::os::unix::fs::symlink(&data, &link).map_err(EngineError::io("create", &link))?;
            tracing::warn!(
                "PostgreSQL runs as user {}, who cannot reach {}: its files are in {}",
                user.name,
                dir.display(),
                data.display()
            );
        }
        Ok(Self { home, data, account, _temporary: temporary })
    }

    /// The major version of the cluster; `None` if it is yet to be created.
    fn version(&self) -> Result<Option<String>, EngineError> {
        let file = self.data.join("PG_VERSION");
        match fs::read_to_string(&file) {
            Ok(version) => Ok(Some(version.trim().to_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(EngineError::io("read", &file)(cause)),
        }
    }

    /// Created in a temporary directory and renamed, so that a crash leaves a complete cluster or none.
    async fn initialise(&self, bin: &Path, log: &Log) -> Result<(), EngineError> {
        for abandoned in directories::entries(&self.home, INITDB_PREFIX) {
            _ = fs::remove_dir_all(abandoned);
        }
        let made = directories::fresh(&self.home, INITDB_PREFIX)?;
        if let Some(account) = &self.account {
            account.own(made.path())?;
        }
        // Sorted by code point everywhere, with the character classes of any available UTF-8 locale.
        let mut outcome = Ok(());
        for letters in ["C.UTF-8", "en_US.UTF-8", "C"] {
            let mut initdb = self.command(&bin.join("initdb"));
            initdb.arg("-D").arg(made.path()).args(["-U", NAME, "-A", "trust", "--no-sync", "-E", "UTF8"]);
            initdb.args(["--locale=C", &format!("--lc-ctype={letters}")]);
            outcome = process::run(ENGINE, initdb, log).await;
            if !matches!(&outcome, Err(EngineError::Failed { tail, .. }) if tail.contains("invalid locale name")) {
                break;
            }
        }
        outcome?;
        fs::rename(made.path(), &self.data).map_err(EngineError::io("move the new cluster to", &self.data))?;
        _ = made.keep();
        Ok(())
    }

    /// Starts the server and waits until it accepts connections.
    async fn start(
        &self,
        bin: &Path,
        sockets: &Path,
        url: &str,
        durability: Durability,
        log: &Log,
    ) -> Result<Process, EngineError> {
        let options = maintenance(url).map_err(EngineError::Database)?;
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            // Drop uses an immediate shutdown: its processes and shared memory end with it, and the next start
            // recovers.
            let mut process = Process::spawn(ENGINE, self.server(bin, sockets, durability), log, Signal::Quit)?;
            let ready = process.until_ready(log, || async { options.connect().await?.close().await }).await;
            match ready {
                Ok(()) => return Ok(process),
                // Children of a killed postmaster take a moment to notice.
                Err(EngineError::Failed { tail, .. }) if tail.contains("still in use") && Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn server(&self, bin: &Path, sockets: &Path, durability: Durability) -> Command {
        let mut server = self.command(&bin.join("postgres"));
        server.arg("-D").arg(&self.data).arg("-k").arg(sockets).args(["-p", PORT]);
        let more: &[&str] = if durability == Durability::Durable { &DURABLE } else { &THROWAWAY };
        for setting in SETTINGS.iter().chain(more) {
            server.args(["-c", setting]);
        }
        // The process id in a stale postmaster.pid may be another process by now. PostgreSQL ignores its starter's,
        // which pg_ctl passes in this variable; removing the file instead would disable its check for surviving
        // processes.
        if let Some(stale) = self.running_pid() {
            server.env("PG_GRANDPARENT_PID", stale.to_string());
        }
        server
    }

    /// A command run as the cluster's owner.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.home).env("LC_ALL", "C");
        if let Some(account) = &self.account {
            account.run(&mut command);
        }
        command
    }

    fn running_pid(&self) -> Option<u32> {
        process::read_pid(&self.data.join("postmaster.pid"))
    }

    async fn stop_leftover(&self) -> Result<(), EngineError> {
        let Some(pid) = self.running_pid() else { return Ok(()) };
        let description = Description { programs: &["postgres"], paths: std::slice::from_ref(&self.data) };
        process::stop_leftover(ENGINE, pid, &description, STOP_SIGNALS).await
    }
}

/// The cluster of a data directory, or the link to it.
pub(super) fn data_link(dir: &Path) -> PathBuf {
    dir.join("postgres/data")
}

pub(super) fn url(sockets: &Path) -> String {
    format!("postgres://{NAME}@localhost:{PORT}/{NAME}?host={}&sslmode=disable", sockets.display())
}

/// A directory that every user can access: permanent under /var/lib, for a test in the temporary directory.
fn fallback_home(user: &Account, durability: Durability) -> Result<(PathBuf, Option<TempDir>), EngineError> {
    let parent = match durability {
        Durability::Durable => PathBuf::from(FALLBACK_HOME),
        Durability::Throwaway => directories::temporary(Some(user))?,
    };
    if !parent.exists() {
        fs::create_dir_all(&parent).map_err(EngineError::io("create", &parent))?;
        directories::set_mode(&parent, 0o711)?;
    }
    let home = directories::fresh(&parent, "postgres-")?;
    directories::set_mode(home.path(), 0o711)?;
    let path = home.path().to_owned();
    Ok(if durability == Durability::Durable { (home.keep(), None) } else { (path, Some(home)) })
}

/// Options for connecting to the maintenance database.
fn maintenance(url: &str) -> Result<PgConnectOptions, sqlx::Error> {
    Ok(PgConnectOptions::from_str(url)?.database("postgres").disable_statement_logging())
}

async fn drop_database(url: &str) -> Result<(), sqlx::Error> {
    let mut connection = maintenance(url)?.connect().await?;
    let drop = AssertSqlSafe(format!("drop database if exists {NAME} with (force)"));
    sqlx::query(drop).execute(&mut connection).await?;
    connection.close().await
}

async fn create_database(url: &str) -> Result<(), sqlx::Error> {
    let mut connection = maintenance(url)?.connect().await?;
    let found = sqlx::query("select 1 from pg_database where datname = $1").bind(NAME).fetch_optional(&mut connection);
    if found.await?.is_none() {
        sqlx::query(AssertSqlSafe(format!("create database {NAME}"))).execute(&mut connection).await?;
    }
    connection.close().await
}
