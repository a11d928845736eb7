//! Finding the engines' programs: on PATH, then where distributions put them, the newest version first.

use std::{
    cmp::Reverse,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::EngineError;

/// Directories with a version in their name: parent, prefix of the version, subdirectory.
const POSTGRES_DIRECTORIES: [(&str, &str, &str); 8] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/usr/libexec", "postgresql", ""),
    ("/opt/homebrew/opt", "postgresql@", "bin"),
    ("/usr/local/opt", "postgresql@", "bin"),
    ("/opt/local/lib", "postgresql", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
    ("/home/linuxbrew/.linuxbrew/opt", "postgresql@", "bin"),
];
const DIRECTORIES: [&str; 7] = [
    "/usr/local/bin",
    "/usr/local/pgsql/bin",
    "/usr/bin",
    "/usr/sbin",
    "/usr/local/sbin",
    "/opt/homebrew/bin",
    "/opt/local/bin",
];

const POSTGRES_ADVICE: &str = "run scripts/setup, or install its server (Debian, Ubuntu: apt install postgresql; \
    Fedora: dnf install postgresql-server; macOS: brew install postgresql), or set DATABASE_URL";
const REDIS_ADVICE: &str = "run scripts/setup, or install it (Debian, Ubuntu: apt install redis-server; \
    Fedora: dnf install valkey; macOS: brew install redis), or set REDIS_URL";

/// The directories to search, in order.
pub(super) fn directories() -> Vec<PathBuf> {
    // PATH is no setting of ours: this is what running a program by its name does.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut directories: Vec<_> = std::env::split_paths(&path).collect();
    for (parent, prefix, below) in POSTGRES_DIRECTORIES {
        directories.extend(versions(Path::new(parent), prefix).into_iter().map(|dir| dir.join(below)));
    }
    directories.extend(DIRECTORIES.map(PathBuf::from));
    directories
}

/// The directory of the first complete PostgreSQL server; with `major`, the first of that version.
pub(super) fn find_postgres(directories: &[PathBuf], major: Option<&str>) -> Result<PathBuf, EngineError> {
    let mut found: Vec<String> = Vec::new();
    for directory in directories {
        // A link in a directory of PATH points to the rest of the installation.
        let Ok(server) = directory.join("postgres").canonicalize() else { continue };
        let Some(bin) = server.parent() else { continue };
        if !["postgres", "initdb", "pg_ctl"].iter().all(|program| is_program(&bin.join(program))) {
            continue;
        }
        let Some(wanted) = major else { return Ok(bin.to_owned()) };
        match version(&server) {
            Some(version) if version == wanted => return Ok(bin.to_owned()),
            Some(version) if !found.contains(&version) => found.push(version),
            _ => {}
        }
    }
    match major {
        Some(major) if !found.is_empty() => Err(EngineError::Unusable(format!(
            "the database was made by PostgreSQL {major}, and only {} is installed: install {major}, or dump and restore",
            found.join(", ")
        ))),
        _ => Err(EngineError::Missing { engine: "PostgreSQL", advice: POSTGRES_ADVICE }),
    }
}

pub(super) fn find_redis(directories: &[PathBuf]) -> Result<PathBuf, EngineError> {
    ["redis-server", "valkey-server"]
        .iter()
        .find_map(|name| directories.iter().map(|directory| directory.join(name)).find(|program| is_program(program)))
        .ok_or(EngineError::Missing { engine: "Redis", advice: REDIS_ADVICE })
}

/// The entries of `parent` called `prefix` and a version, newest first.
fn versions(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version: Vec<u32> =
                name.strip_prefix(prefix)?.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
            Some((version, entry.path()))
        })
        .collect();
    found.sort_by_key(|(version, _)| Reverse(version.clone()));
    found.into_iter().map(|(_, path)| path).collect()
}

/// `15` from "postgres (PostgreSQL) 15.18 (Debian …)".
pub(super) fn version(server: &Path) -> Option<String> {
    let output = Command::new(server).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let digits = text.split_once(')')?.1.trim_start();
    Some(digits.chars().take_while(char::is_ascii_digit).collect())
}

pub(super) fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}
