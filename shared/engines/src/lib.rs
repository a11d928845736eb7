//! A private PostgreSQL and a private Redis as child processes, for `troupe` without configured ones, and for tests.
//!
//! Both listen on Unix sockets only, below a directory locked by one process. They have their own process groups, so a
//! terminal's Ctrl-C reaches us only: `stop` ends them in order, dropping the handle ends them at once. Engines that a
//! killed predecessor left running are stopped first.

mod account;
mod directories;
pub mod local;
mod postgres;
mod postgres_client;
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
pub use postgres_client::PostgresClient;
pub use redis::Redis;

/// The durability in a crash of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// PostgreSQL loses nothing committed, Redis at most a second.
    Durable,
    /// Everything may be lost. For tests: nothing is flushed to disk, and Redis keeps no file.
    Throwaway,
}

#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("{engine} is not installed: {advice}")]
    Missing { engine: &'static str, advice: &'static str },
    #[error("{} is already in use by {}", dir.display(), holder(*pid))]
    InUse { dir: PathBuf, pid: Option<u32> },
    /// Not possible with these files or on this machine; the text says what to change.
    #[error("{0}")]
    Unusable(String),
    #[error("{engine} {what}; {} ends with:\n{tail}", log.display())]
    Failed { engine: &'static str, what: String, log: PathBuf, tail: String },
    #[error("{program} ended with {status}:\n{output}")]
    Program { program: &'static str, status: std::process::ExitStatus, output: String },
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

/// The program of Redis, or of Valkey, for who starts one of another kind.
pub fn redis_program() -> Result<PathBuf, EngineError> {
    programs::find_redis(&programs::directories())
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}
