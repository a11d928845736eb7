//! `troupe-worker`: consumes jobs and writes replies. Run any number of them against one PostgreSQL and one Redis.

use std::process::ExitCode;

use clap::Parser;
use troupe_shared::{config::Options, lifecycle, telemetry};

/// An eighth of the worker's time went to glibc's allocator, and half of that is enough; for 24 MB more.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(version, about = "Writes the replies of Troupe")]
struct Arguments {
    #[command(flatten)]
    options: Options,
}

fn main() -> anyhow::Result<ExitCode> {
    if let Some(ended) = troupe_worker::extract_if_asked() {
        return Ok(ended);
    }
    serve()?;
    Ok(ExitCode::SUCCESS)
}

#[tokio::main]
async fn serve() -> anyhow::Result<()> {
    let Some(config) = Arguments::parse().options.load()? else { return Ok(()) };
    lifecycle::install_tls();
    telemetry::init(&config.telemetry)?;
    troupe_worker::run(config, lifecycle::shutdown_on_signal()?).await
}
