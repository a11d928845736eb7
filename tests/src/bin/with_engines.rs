//! `with-engines COMMAND…`: runs a command, such as a run of all tests, with a PostgreSQL and a Redis that it may
//! share.
//!
//! They are started for it, on Unix sockets in a directory of their own, and thrown away when it has ended. The tests
//! find them in their environment (`troupe_tests::stores`).

use std::{env, ffi::OsString, os::unix::process::ExitStatusExt, process::ExitCode};

use anyhow::Context;
use tokio::{
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
};
use troupe_core::config::Config;
use troupe_tests::{
    Signal,
    engines::Engines,
    stores::{POSTGRES, REDIS, TEMPLATE, with_database},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = env::args_os().skip(1);
    let program = arguments.next().context("usage: with-engines COMMAND…")?;
    // Ctrl-C reaches the command too, which then ends.
    let mut interrupts = signal(SignalKind::interrupt())?;
    let mut terminations = signal(SignalKind::terminate())?;
    let engines = Engines::start().await;
    migrate_template(&engines).await?;
    let mut child = start(&program, arguments, &engines)?;
    loop {
        tokio::select! {
            status = child.wait() => {
                let status = status?;
                let code = status.code().or_else(|| Some(128 + status.signal()?)).and_then(|code| code.try_into().ok());
                return Ok(ExitCode::from(code.unwrap_or(1_u8)));
            }
            _ = interrupts.recv() => {}
            _ = terminations.recv() => {
                if let Some(id) = child.id() {
                    Signal::Terminate.send(id)?;
                }
            }
        }
    }
}

async fn migrate_template(engines: &Engines) -> anyhow::Result<()> {
    let url = with_database(engines.postgres.url(), TEMPLATE);
    let maintenance = sqlx::PgPool::connect(engines.postgres.url()).await?;
    sqlx::query(sqlx::AssertSqlSafe(format!("create database {TEMPLATE}"))).execute(&maintenance).await?;
    maintenance.close().await;
    let config = Config::from_sources(None, vec![("DATABASE_URL".to_owned(), url)])?;
    // No connection may be left: PostgreSQL copies only what nobody uses.
    troupe_db::connect(&config.database, "troupe-tests").await?.close().await;
    Ok(())
}

fn start(program: &OsString, arguments: impl Iterator<Item = OsString>, engines: &Engines) -> anyhow::Result<Child> {
    let mut command = Command::new(program);
    command.args(arguments).env(POSTGRES, engines.postgres.url()).env(REDIS, engines.redis.url());
    // What tests keep for themselves is thrown away, too.
    command.env("TMPDIR", engines.parent());
    command.spawn().with_context(|| format!("start {}", program.display()))
}
