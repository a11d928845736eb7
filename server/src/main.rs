//! `troupe-server`: the web tier. Run any number of them against one PostgreSQL and one Redis.

use clap::Parser;
use troupe_core::{
    config::Options,
    lifecycle::{self, Tasks},
};
use troupe_server::{
    Server,
    commands::{self, Command},
};
use troupe_telemetry::{Traces, Wellbeing, listener, logs};

/// Password hashing takes 19 MiB at a time, on many threads. After 64 registrations a server held 845 MB with glibc's
/// allocator, and 51 MB with this one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(version, about = "Serves the API and the pages of Troupe")]
struct Arguments {
    #[command(flatten)]
    options: Options,
    /// The same as `admin create` for an account that is there.
    #[arg(long, value_name = "EMAIL")]
    make_admin: Option<String>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let Some(live) = arguments.options.load()? else { return Ok(()) };
    lifecycle::install_tls();
    logs::init(&live.now().telemetry)?;
    if let Some(email) = arguments.make_admin {
        return commands::make_admin(&live.now(), &email).await;
    }
    if let Some(command) = arguments.command {
        return commands::run(command, &live, std::io::stdout()).await;
    }
    let shutdown = lifecycle::shutdown_on_signal()?;
    Tasks::new(shutdown.clone()).spawn(live.clone().follow(shutdown.clone()));
    let traces = Traces::start(&live.now().traces, "troupe-server")?;
    let wellbeing = Wellbeing::default();
    let observed = listener::serve_if_configured(
        live.now().telemetry.listen,
        troupe_server::metrics::sets(),
        wellbeing.clone(),
        shutdown.clone(),
    );
    let serve = async { Server::start(live, &wellbeing).await?.run(shutdown).await };
    let outcome = listener::beside(observed, Box::pin(serve)).await;
    traces.finish().await;
    outcome
}
