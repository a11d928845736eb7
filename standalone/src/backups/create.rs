//! `troupe backup`: while Troupe runs from its PostgreSQL, otherwise from one that is started for it.

use std::{
    fmt,
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use chrono::{DateTime, Utc};
use troupe_core::clock::{Clock, SystemClock};
use troupe_db::operations::backups::{Contents, Snapshot};
use troupe_engines::{DataDir, Durability, EngineError, Postgres, PostgresClient};

use super::{
    DATABASE, EXTENSION, FILES,
    archive::{ArchiveWriter, parent},
    manifest::{FORMAT, Manifest, VERSION},
    own_files,
};

/// For a Troupe that is just starting.
const READY_TIMEOUT: Duration = Duration::from_mins(1);
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// What was written.
pub(crate) struct Created {
    path: PathBuf,
    bytes: u64,
    contents: Contents,
}

impl fmt::Display for Created {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, bytes, contents: Contents { migration, messages, .. } } = self;
        write!(f, "{}: {bytes} bytes, {messages} messages, migration {migration}, Troupe {VERSION}", path.display())
    }
}

/// Backs the data directory up to a file, or to a new file in a directory.
pub(crate) async fn create(data_dir: &Path, to: &Path) -> anyhow::Result<Created> {
    ensure!(Postgres::is_in(data_dir), "there is no database in {}: nothing to back up", data_dir.display());
    let created_at = SystemClock.now();
    let path = target(to, created_at)?;
    let source = Source::find(data_dir).await?;
    let outcome = write(data_dir, path, &source, created_at).await;
    source.close().await?;
    outcome
}

/// The file to write; one that is there already is refused before anything is read.
fn target(to: &Path, now: DateTime<Utc>) -> anyhow::Result<PathBuf> {
    if to.is_dir() {
        return Ok(to.join(format!("troupe-{}.{EXTENSION}", now.format("%Y-%m-%dT%H%M%SZ"))));
    }
    ensure!(!to.exists(), "{} exists: give another name, or a directory", to.display());
    ensure!(parent(to).is_dir(), "{} is no directory", parent(to).display());
    Ok(to.to_owned())
}

async fn write(data_dir: &Path, path: PathBuf, source: &Source, created_at: DateTime<Utc>) -> anyhow::Result<Created> {
    let Source { client, snapshot, .. } = source;
    let mut writer = ArchiveWriter::begin(parent(&path))?;
    writer.begin_part(DATABASE)?;
    client.dump(&snapshot.name, |bytes| writer.write_all(bytes)).await.context("dump the database")?;
    for name in own_files(data_dir).with_context(|| format!("read {}", data_dir.display()))? {
        let file = data_dir.join(&name);
        writer.begin_part(&format!("{FILES}{name}"))?;
        let copied = File::open(&file).and_then(|mut content| io::copy(&mut content, &mut writer));
        copied.with_context(|| format!("copy {}", file.display()))?;
    }
    let contents = snapshot.contents;
    let Contents { migration, messages, postgres } = contents;
    let version = VERSION.to_owned();
    let manifest = Manifest { format: FORMAT, version, migration, postgres, messages, created_at, parts: Vec::new() };
    let bytes = writer.finish(manifest, &path)?;
    Ok(Created { path, bytes, contents })
}

/// The database as it is at one moment, and what keeps it reachable.
struct Source {
    client: PostgresClient,
    snapshot: Snapshot,
    started: Option<(Postgres, DataDir)>,
}

impl Source {
    /// From the Troupe that runs there, if one does; as soon as it is ready.
    async fn find(data_dir: &Path) -> anyhow::Result<Self> {
        let deadline = Instant::now() + READY_TIMEOUT;
        loop {
            let in_use = match DataDir::lock(data_dir) {
                Ok(dir) => return Self::start(dir).await,
                Err(in_use @ EngineError::InUse { .. }) => in_use,
                Err(error) => return Err(error.into()),
            };
            if let Some(client) = PostgresClient::of_running(data_dir)? {
                match Snapshot::open(client.url()).await {
                    Ok(Some(snapshot)) => return Ok(Self { client, snapshot, started: None }),
                    Ok(None) => {}
                    Err(error) => tracing::info!(%error, "waiting for the private PostgreSQL"),
                }
            }
            if Instant::now() > deadline {
                return Err(in_use).context("its PostgreSQL does not answer");
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    async fn start(dir: DataDir) -> anyhow::Result<Self> {
        tracing::info!(dir = %dir.path().display(), "nothing runs here: starting its PostgreSQL for the backup");
        let mut postgres =
            Postgres::start(dir.path(), Durability::Durable).await.context("start the private PostgreSQL")?;
        let client = postgres.client();
        let Some(snapshot) = Snapshot::open(client.url()).await.context("read the database")? else {
            postgres.stop().await?;
            bail!("the database in {} is empty: nothing to back up", dir.path().display());
        };
        Ok(Self { client, snapshot, started: Some((postgres, dir)) })
    }

    async fn close(self) -> anyhow::Result<()> {
        // What was read is read: a connection that breaks now harms nothing.
        _ = self.snapshot.close().await;
        if let Some((mut postgres, _dir)) = self.started {
            postgres.stop().await?;
        }
        Ok(())
    }
}
