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
    /// Make the account with this address an admin's, and exit.
    #[arg(long, value_name = "EMAIL")]
    make_admin: Option<String>,
    /// Bring the schema up to date, give this role of the database what servers and workers need and no more, and exit.
    #[arg(long, value_name = "ROLE", conflicts_with = "make_admin")]
    grant_runtime: Option<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let Some(config) = arguments.options.load()? else { return Ok(()) };
    lifecycle::install_tls();
    telemetry::init(&config.telemetry)?;
    if let Some(email) = arguments.make_admin {
        return troupe_server::make_admin(&config, &email).await;
    }
    if let Some(role) = arguments.grant_runtime {
        return troupe_server::grant_runtime(&config, &role).await;
    }
    let server = troupe_server::Server::start(config).await?;
    server.run(lifecycle::shutdown_on_signal()?).await
}
