//! `troupe-worker`: consumes jobs and writes replies. Run any number of them against one PostgreSQL and one Redis.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use troupe_core::{
    config::Options,
    lifecycle::{self, Tasks},
};
use troupe_telemetry::{Wellbeing, listener, logs};

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
}

fn main() -> anyhow::Result<ExitCode> {
    if let Some(ended) = troupe_worker::extract_if_child() {
        return Ok(ended);
    }
    serve()?;
    Ok(ExitCode::SUCCESS)
}

#[tokio::main]
async fn serve() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let Some(live) = arguments.options.load()? else { return Ok(()) };
    lifecycle::install_tls();
    logs::init(&live.now().telemetry)?;
    let shutdown = lifecycle::shutdown_on_signal()?;
    match arguments.command {
        Some(Command::Reindex) => troupe_worker::reindex(&live, std::io::stdout(), shutdown).await,
        None => {
            Tasks::new(shutdown.clone()).spawn(live.clone().follow(shutdown.clone()));
            let wellbeing = Wellbeing::default();
            let observed = listener::serve_if_configured(
                live.now().telemetry.listen,
                troupe_worker::metrics::register_all,
                wellbeing.clone(),
                shutdown.clone(),
            );
            listener::beside(observed, troupe_worker::run(live, &wellbeing, shutdown)).await
        }
    }
}
