//! A private PostgreSQL and a private Redis as child processes: what `troupe` runs on when it is given none, and the
//! tests.
//!
//! Both listen on Unix sockets only, below a directory that one process at a time may hold. They live in process groups
//! of their own, so a terminal's Ctrl-C reaches us alone and they go last: `stop` ends them in order, dropping the
//! handle ends them at once. What a killed predecessor left running is stopped before its files are opened again.

mod account;
mod directories;
mod postgres;
mod process;
mod programs;
mod redis;
#[cfg(test)]
mod tests;

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

pub use directories::DataDir;
pub use postgres::{Postgres, Shutdown};
pub use redis::Redis;

/// What a crash of the machine may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Nothing that PostgreSQL has committed, and at most a second of Redis.
    Durable,
    /// Everything. For tests: nothing is flushed to disk, and Redis keeps no file.
    Throwaway,
}

#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("{engine} is not installed: {advice}")]
    Missing { engine: &'static str, advice: &'static str },
    #[error("{} is already in use by {}", dir.display(), holder(*pid))]
    InUse { dir: PathBuf, pid: Option<u32> },
    /// The files or the machine do not allow it; the text says what would.
    #[error("{0}")]
    Unusable(String),
    #[error("{engine} {what}; {} ends with:\n{tail}", log.display())]
    Failed { engine: &'static str, what: String, log: PathBuf, tail: String },
    #[error("{engine} (process {pid}) does not stop")]
    Stuck { engine: &'static str, pid: u32 },
    #[error("{what}: {cause}")]
    Io { what: String, cause: io::Error },
    #[error("prepare the private PostgreSQL: {0}")]
    Database(sqlx::Error),
}

impl EngineError {
    fn io(what: impl fmt::Display, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let what = format!("{what} {}", path.display());
        move |cause| Self::Io { what, cause }
    }
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}
