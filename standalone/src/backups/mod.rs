//! `troupe backup` and `troupe restore`: everything of the private PostgreSQL, and the data directory's own files, as
//! one file.
//!
//! The file is a zip: `database.dump` (PostgreSQL's custom format), `files/…`, and last `manifest.json` with the
//! SHA-256 of each part. What may be lost at any time (Redis) or is fetched again (models) is not in it.

mod archive;
mod create;
mod manifest;
mod restore;

use std::{
    fs::{self, File},
    io,
    path::Path,
};

pub(crate) use create::create;
pub(crate) use restore::{ensure_none_unfinished, restore};

/// The part with the database.
const DATABASE: &str = "database.dump";
/// The parts with the data directory's own files are named below it.
const FILES: &str = "files/";
const EXTENSION: &str = "backup";

/// The data directory's own files: what lies at its top, and is neither the lock, a log nor a backup.
fn own_files(data_dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(data_dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_backup = Path::new(&name).extension().is_some_and(|extension| extension == EXTENSION);
        let passed_over = name == "lock" || name.starts_with('.') || is_log(&name) || is_backup;
        if entry.file_type()?.is_file() && !passed_over {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// The log of an engine, or that of the run before.
fn is_log(name: &str) -> bool {
    let name = Path::new(name.strip_suffix(".1").unwrap_or(name));
    name.extension().is_some_and(|extension| extension == "log")
}

/// Flushes the names in a directory.
fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_settings_are_own_files_and_logs_are_not() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["demo-password", "troupe.toml", "lock", "postgres.log", "postgres.log.1", "a.backup", ".a.part"] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        fs::create_dir(dir.path().join("redis")).unwrap();
        assert_eq!(own_files(dir.path()).unwrap(), ["demo-password", "troupe.toml"]);
    }
}
