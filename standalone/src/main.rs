//! `troupe`: server and worker in one process, by default with a private PostgreSQL and Redis.
//!
//! For trying, for developing and for small installations; larger ones run `troupe-server` and `troupe-worker`. The
//! parts are the same, and communicate through PostgreSQL and Redis here too.

mod backups;
mod demo;
mod engines;
mod local;
mod welcome;

use std::{
    fmt::Display,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{bail, ensure};
use clap::{Parser, Subcommand};
use tokio_util::sync::CancellationToken;
use troupe_core::{
    config::{Live, Options},
    lifecycle::{self, Tasks},
};
use troupe_engines::DataDir;
use troupe_server::Server;
use troupe_telemetry::{Traces, Wellbeing, listener, logs};

use crate::{engines::Engines, local::LocalEngines, welcome::Welcome};

/// Password hashing takes 19 MiB at a time, on many threads. After 64 registrations a server held 845 MB with glibc's
/// allocator, and 51 MB with this one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "troupe", version, about = "Runs the whole of Troupe")]
struct Arguments {
    #[command(flatten)]
    options: Options,
    /// The data directory of the private PostgreSQL and Redis.
    #[arg(long, default_value = ".troupe", global = true)]
    data_dir: PathBuf,
    /// Forget everything that the private PostgreSQL and Redis hold, and begin anew.
    #[arg(long)]
    reset: bool,
    /// Open the page in a browser, where there is one.
    #[arg(long)]
    open: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Ask the one that runs here whether it lives, at `telemetry.listen` or else `server.listen`: for probes.
    Health,
    /// Write everything that the private PostgreSQL holds, and the data directory's own files, to one file. Troupe may
    /// run meanwhile.
    Backup {
        /// A new file, or a directory for one that is named by the time.
        #[arg(value_name = "FILE|DIRECTORY")]
        to: PathBuf,
    },
    /// Make the data directory what it was at a backup. Troupe must not run there.
    Restore {
        file: PathBuf,
        /// Keep what is there aside, in a directory of its own.
        #[arg(long)]
        replace: bool,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    if let Some(ended) = troupe_worker::extract_if_child() {
        return Ok(ended);
    }
    run()?;
    Ok(ExitCode::SUCCESS)
}

#[tokio::main]
async fn run() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let Some(live) = arguments.options.load()? else { return Ok(()) };
    lifecycle::install_tls();
    logs::init(&live.now().telemetry)?;
    if let Some(command) = arguments.command {
        return command.run(&live, &arguments.data_dir).await;
    }
    let shutdown = lifecycle::shutdown_on_signal()?;
    let dir = DataDir::lock(&arguments.data_dir)?;
    backups::ensure_none_unfinished(dir.path())?;
    let start = async { tokio::join!(Engines::start(dir.path(), &live), LocalEngines::start(dir.path(), &live)) };
    let (engines, local) = tokio::select! {
        (engines, local) = start => (engines?, local),
        () = shutdown.cancelled() => return Ok(()),
    };
    if arguments.reset {
        engines.reset().await?;
    }
    Tasks::new(shutdown.clone()).spawn(live.clone().follow(shutdown.clone()));
    let welcome = Welcome { data_dir: dir.path(), speaker: &local.speaker, open: arguments.open };
    let outcome = serve(live, &engines, &welcome, shutdown).await;
    local.stop().await;
    engines.stop().await?;
    outcome
}

impl Command {
    async fn run(self, live: &Live, data_dir: &Path) -> anyhow::Result<()> {
        let config = live.now();
        if let Self::Health = self {
            return listener::ask_health(config.telemetry.listen.unwrap_or(config.server.listen)).await;
        }
        ensure!(
            config.database.url.is_none(),
            "database.url is set, and only the private PostgreSQL is backed up and restored here (docs/BACKUPS.md)"
        );
        let shutdown = lifecycle::shutdown_on_signal()?;
        let work = async {
            match self {
                Self::Health => Ok(()),
                Self::Backup { to } => print(&backups::create(data_dir, &to).await?),
                Self::Restore { file, replace } => print(&backups::restore(data_dir, &file, replace).await?),
            }
        };
        tokio::select! {
            outcome = work => outcome,
            () = shutdown.cancelled() => bail!("interrupted"),
        }
    }
}

fn print(outcome: &dyn Display) -> anyhow::Result<()> {
    Ok(writeln!(io::stdout(), "{outcome}")?)
}

/// Runs server and worker, until the shutdown or until one of them fails.
async fn serve(
    live: Live,
    engines: &Engines,
    welcome: &Welcome<'_>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    // Logs e-mails by default: on a single machine the user reads the log, and needs no mail server.
    let own = engines.own_database();
    live.amend(|config| config.mail.to_log |= own && config.mail.url.is_none());
    let traces = Traces::start(&live.now().traces, "troupe")?;
    let wellbeing = Wellbeing::default();
    let server = Server::start(live.clone(), &wellbeing).await?;
    let password = if own { Some(demo::password(welcome.data_dir)?) } else { None };
    if let Some(password) = &password {
        server.ensure_demo(password).await?;
    }
    welcome.print(server.address()?, password.as_deref())?;

    let until_end = async |part: &mut (dyn Future<Output = anyhow::Result<()>> + Unpin)| {
        let outcome = part.await;
        shutdown.cancel();
        outcome
    };
    let mut server = Box::pin(server.run(shutdown.clone()));
    let sets = troupe_server::metrics::sets().into_iter().chain(troupe_worker::metrics::sets());
    let listen = live.now().telemetry.listen;
    let observed = listener::serve_if_configured(listen, sets, wellbeing.clone(), shutdown.clone());
    let mut worker = Box::pin(troupe_worker::run(live, &wellbeing, shutdown.clone()));
    let parts = async {
        let (server, worker) = tokio::join!(until_end(&mut server), until_end(&mut worker));
        server.and(worker)
    };
    let outcome = listener::beside(observed, parts).await;
    traces.finish().await;
    outcome
}
