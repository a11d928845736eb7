//! `troupe-server`: the web tier. Run any number of them against one PostgreSQL and one Redis.

use std::path::PathBuf;

use clap::Parser;
use troupe_shared::{config::Config, lifecycle, telemetry};

/// glibc's keeps what password hashing took, 19 MiB for each thread that ever hashed: 845 MB after 64 registrations, 51 here.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(version, about = "Serves the API and the pages of Troupe")]
struct Options {
    /// A TOML file with settings; the environment overrides it.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Check the configuration and exit.
    #[arg(long)]
    check_config: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let config = Config::load(options.config.as_deref())?;
    if options.check_config {
        return Ok(());
    }
    lifecycle::install_tls();
    telemetry::init(&config.telemetry)?;
    let server = troupe_server::Server::start(config).await?;
    server.run(lifecycle::shutdown_on_signal()?).await
}
