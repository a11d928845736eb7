//! `troupe restore`: fills a new database beside the old one, and puts it in its place when it is whole.
//!
//! Everything happens within the data directory, so that it may be a mount, and under its lock.

use std::{
    fmt, fs,
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use chrono::{DateTime, Utc};
use troupe_core::clock::{Clock, SystemClock};
use troupe_db::operations::backups::Snapshot;
use troupe_engines::{DataDir, Durability, Postgres};

use super::{DATABASE, archive::Archive, is_log, manifest::Manifest, sync_dir};

/// Directories that a restore fills; what a killed one leaves is removed by the next.
const FILLING: &str = "restoring-";
/// The same directory from the moment that the old data are moved aside.
const SWAPPING: &str = "restored-";
/// Directories of what was there before.
const REPLACED: &str = "replaced-";
/// What does not make a data directory one with data: models that were fetched, and what is no Troupe's any more.
const NO_DATA: [&str; 2] = ["lock", "local"];

/// What was restored.
pub(crate) struct Restored {
    dir: PathBuf,
    created_at: DateTime<Utc>,
    version: String,
    messages: i64,
    replaced: Option<PathBuf>,
}

impl fmt::Display for Restored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dir, created_at, version, messages, replaced } = self;
        let at = created_at.format("%Y-%m-%d %H:%M:%S UTC");
        write!(f, "{} is as of {at}: {messages} messages, by Troupe {version}", dir.display())?;
        if let Some(replaced) = replaced {
            write!(f, "\nwhat was there before is in {}: remove it when nobody misses it", replaced.display())?;
        }
        Ok(())
    }
}

/// Restores a backup into a data directory that is empty, or whose data are to be moved aside.
pub(crate) async fn restore(data_dir: &Path, file: &Path, replace: bool) -> anyhow::Result<Restored> {
    let path = file.to_owned();
    let mut archive = tokio::task::spawn_blocking(move || Archive::open(&path)).await??;
    let dir = DataDir::lock(data_dir).context("a restore needs the data directory for itself: stop what runs there")?;
    let dir = dir.path();
    for abandoned in entries(dir, |name| name.starts_with(FILLING) || name.starts_with(SWAPPING))? {
        discard(&abandoned).await?;
    }
    let present = entries(dir, |name| !NO_DATA.contains(&name) && !name.starts_with(REPLACED))?;
    ensure!(
        present.is_empty() || replace,
        "{} is not empty: with --replace what is there is kept aside, in a directory {REPLACED}… of it",
        dir.display()
    );
    let now = SystemClock.now().format("%Y-%m-%dT%H%M%S%.3fZ");
    let filling = dir.join(format!("{FILLING}{now}"));
    make_dir(&filling)?;
    let filled = fill(&filling, &mut archive).await;
    if filled.is_err() {
        discard(&filling).await?;
    }
    filled.with_context(|| format!("restore {}; {} is as it was", file.display(), dir.display()))?;
    let replaced = (!present.is_empty()).then(|| dir.join(format!("{REPLACED}{now}")));
    swap(dir, &filling, &present, replaced.as_deref())?;
    let Manifest { created_at, version, messages, .. } = archive.manifest;
    Ok(Restored { dir: dir.to_owned(), created_at, version, messages, replaced })
}

/// Refuses a data directory that a restore was about to fill when it was killed: its database is missing, not empty.
pub(crate) fn ensure_none_unfinished(dir: &Path) -> anyhow::Result<()> {
    let unfinished = entries(dir, |name| name.starts_with(SWAPPING))?;
    ensure!(
        unfinished.is_empty(),
        "a restore was cut off while it put its data into {}: run it again (what was there before is in {REPLACED}…)",
        dir.display()
    );
    Ok(())
}

/// Makes the database and the files in a directory of their own, flushed to the disk.
async fn fill(filling: &Path, archive: &mut Archive) -> anyhow::Result<()> {
    let mut postgres =
        Postgres::start(filling, Durability::Durable).await.context("start a PostgreSQL for the new database")?;
    let client = postgres.client();
    let (ours, theirs) = (client.major_version(), archive.manifest.postgres);
    ensure!(
        ours.is_none_or(|ours| ours >= theirs),
        "the backup is of PostgreSQL {theirs}, which must be installed, or a later one"
    );
    client.restore(archive.part(DATABASE)?).await.context("fill the new database")?;
    let snapshot = Snapshot::open(client.url()).await?.context("the new database is empty")?;
    let (found, manifest) = (snapshot.contents, &archive.manifest);
    ensure!(
        (found.migration, found.messages) == (manifest.migration, manifest.messages),
        "the new database has {} messages and migration {}, the backup {} and {}",
        found.messages,
        found.migration,
        manifest.messages,
        manifest.migration
    );
    snapshot.close().await?;
    postgres.stop_and_sync().await?;
    for (part, name) in archive.files() {
        let path = filling.join(name);
        let mut options = fs::OpenOptions::new();
        let written = archive.part(&part).and_then(|mut content| {
            let mut file = options.write(true).create_new(true).mode(0o600).open(&path)?;
            io::copy(&mut content, &mut file)?;
            file.flush()?;
            Ok(file.sync_all()?)
        });
        written.with_context(|| format!("write {}", path.display()))?;
    }
    Ok(sync_dir(filling)?)
}

/// Moves the old data aside and the new ones to their place. Whatever ends this in between, nothing is lost, and
/// [`ensure_none_unfinished`] notices.
fn swap(dir: &Path, filled: &Path, present: &[PathBuf], replaced: Option<&Path>) -> anyhow::Result<()> {
    let name = filled.file_name().unwrap_or_default().to_string_lossy().replacen(FILLING, SWAPPING, 1);
    let swapping = dir.join(name);
    rename(filled, &swapping)?;
    sync_dir(dir)?;
    if let Some(replaced) = replaced {
        make_dir(replaced)?;
        present.iter().try_for_each(|old| move_into(replaced, old))?;
        sync_dir(replaced)?;
    }
    for new in entries(&swapping, |name| !is_log(name))? {
        move_into(dir, &new)?;
    }
    sync_dir(dir)?;
    fs::remove_dir_all(&swapping).with_context(|| format!("remove {}", swapping.display()))
}

/// Removes what a restore has begun to fill.
async fn discard(filling: &Path) -> anyhow::Result<()> {
    Postgres::remove(filling).await?;
    fs::remove_dir_all(filling).with_context(|| format!("remove {}", filling.display()))
}

/// What is in a directory, by its name.
fn entries(dir: &Path, wanted: impl Fn(&str) -> bool) -> anyhow::Result<Vec<PathBuf>> {
    let read = || {
        let entries = fs::read_dir(dir)?.collect::<io::Result<Vec<_>>>()?;
        let wanted = entries.iter().filter(|entry| wanted(&entry.file_name().to_string_lossy()));
        io::Result::Ok(wanted.map(fs::DirEntry::path).collect())
    };
    read().with_context(|| format!("read {}", dir.display()))
}

/// Others may pass through, as through the data directory itself: under root PostgreSQL is another user.
fn make_dir(path: &Path) -> anyhow::Result<()> {
    let made = fs::create_dir(path).and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o711)));
    made.with_context(|| format!("create {}", path.display()))
}

fn move_into(dir: &Path, path: &Path) -> anyhow::Result<()> {
    rename(path, &dir.join(path.file_name().unwrap_or_default()))
}

fn rename(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::rename(from, to).with_context(|| format!("rename {} to {}", from.display(), to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, files: &[(&str, &str)]) {
        for (name, content) in files {
            let path = dir.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    }

    #[test]
    fn what_is_there_is_moved_aside_whole_and_models_stay() {
        let dir = tempfile::tempdir().unwrap();
        let (dir, filled) = (dir.path(), dir.path().join("restoring-1"));
        write(
            dir,
            &[("postgres/data/PG_VERSION", "old"), ("demo-password", "old"), ("local/model", "big"), ("lock", "")],
        );
        write(&filled, &[("postgres/data/PG_VERSION", "new"), ("demo-password", "new"), ("postgres.log", "noise")]);
        let replaced = dir.join("replaced-1");
        swap(dir, &filled, &[dir.join("postgres"), dir.join("demo-password")], Some(&replaced)).unwrap();
        let read = |name: &str| fs::read_to_string(dir.join(name)).unwrap_or_default();
        assert_eq!((read("postgres/data/PG_VERSION"), read("demo-password")), ("new".to_owned(), "new".to_owned()));
        assert_eq!((read("local/model"), read("postgres.log")), ("big".to_owned(), String::new()));
        assert_eq!(fs::read_to_string(replaced.join("postgres/data/PG_VERSION")).unwrap(), "old");
        let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["demo-password", "local", "lock", "postgres", "replaced-1"]);
        ensure_none_unfinished(dir).unwrap();
    }

    #[test]
    fn a_restore_that_was_killed_between_is_noticed_by_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        // Still filling: what was there is in its place.
        write(dir.path(), &[("restoring-1/postgres.log", "")]);
        ensure_none_unfinished(dir.path()).unwrap();
        write(dir.path(), &[("restored-1/postgres.log", "")]);
        let error = ensure_none_unfinished(dir.path()).unwrap_err().to_string();
        assert!(error.contains("run it again"), "{error}");
    }
}
