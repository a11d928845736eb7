//! `troupe-worker`: consumes jobs and writes replies. Run any number of them against one PostgreSQL and one Redis.

use std::path::PathBuf;

use clap::Parser;
use troupe_shared::{config::Config, lifecycle, telemetry};

#[derive(Parser)]
#[command(version, about = "Writes the replies of Troupe")]
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
    troupe_worker::run(config, lifecycle::shutdown_on_signal()?).await
}
