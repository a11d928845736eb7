//! `troupe-worker`: consumes jobs and writes replies. Run any number of them against one PostgreSQL and one Redis.

use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use troupe_core::{
    config::{Live, Options},
    doctor::{self, Finding, Verdict},
    lifecycle::{self, Tasks},
};
use troupe_telemetry::{Traces, Wellbeing, listener, logs};

/// glibc's allocator took an eighth of the worker's CPU time; this one takes half of that, for 24 MB more.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(version, about = "Writes the replies of Troupe")]
struct Arguments {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Rebuild the vector index beside the searched one, and switch searches to it. Resumes an unfinished rebuild.
    Reindex,
    /// Look whether everything that a worker needs is there and well, and say what to do. Spends no tokens.
    Doctor,
    /// Ask the worker on this machine whether it lives, at `telemetry.listen`: for probes.
    Health,
}

fn main() -> anyhow::Result<ExitCode> {
    if let Some(ended) = troupe_worker::extract_if_child() {
        return Ok(ended);
    }
    run()
}

#[tokio::main]
async fn run() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let Some(live) = arguments.options.load()? else { return Ok(ExitCode::SUCCESS) };
    lifecycle::install_tls();
    logs::init(&live.now().telemetry)?;
    match arguments.command {
        Some(Command::Doctor) => return prognosis(&troupe_worker::doctor::examine(&live).await),
        Some(Command::Health) => {
            let address = live.now().telemetry.listen.context("telemetry.listen is not set: there is nobody to ask")?;
            listener::ask_health(address).await?;
        }
        Some(Command::Reindex) => {
            troupe_worker::reindex(&live, std::io::stdout(), lifecycle::shutdown_on_signal()?).await?;
        }
        None => serve(live).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn serve(live: Live) -> anyhow::Result<()> {
    let shutdown = lifecycle::shutdown_on_signal()?;
    Tasks::new(shutdown.clone()).spawn(live.clone().follow(shutdown.clone()));
    let traces = Traces::start(&live.now().traces, "troupe-worker")?;
    let wellbeing = Wellbeing::default();
    let observed = listener::serve_if_configured(
        live.now().telemetry.listen,
        troupe_worker::metrics::sets(),
        wellbeing.clone(),
        shutdown.clone(),
    );
    let outcome = listener::beside(observed, Box::pin(troupe_worker::run(live, &wellbeing, shutdown))).await;
    traces.finish().await;
    outcome
}

/// Prints the findings; a failure where something is ill.
fn prognosis(findings: &[Finding]) -> anyhow::Result<ExitCode> {
    let verdict = doctor::write(findings, &mut std::io::stdout())?;
    Ok(if verdict == Verdict::Ill { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
