//! `troupe-server`: the web tier. Run any number of them against one PostgreSQL and one Redis.

use clap::Parser;
use troupe_shared::{config::Options, lifecycle, telemetry};

/// Password hashing takes 19 MiB at a time, on many threads. After 64 registrations a server held 845 MB with glibc's
/// allocator, and 51 MB with this one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(version, about = "Serves the API and the pages of Troupe")]
struct Arguments {
    #[command(flatten)]
    options: Options,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Some(config) = Arguments::parse().options.load()? else { return Ok(()) };
    lifecycle::install_tls();
    telemetry::init(&config.telemetry)?;
    let server = troupe_server::Server::start(config).await?;
    server.run(lifecycle::shutdown_on_signal()?).await
}
