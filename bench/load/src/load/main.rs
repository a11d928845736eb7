//! Drives a server from outside, over HTTP and WebSocket, and prints what its users would notice.
//!
//! `closed`: every user sends, waits for the whole reply, and sends again: the most that the system can do.
//! `paced`: messages are sent at a fixed rate whatever the server does; times count from when each was due.
//! `idle`: opens sockets and holds them, and prints what each costs the server in memory.

#![expect(clippy::print_stdout, reason = "figures are printed")]

mod cpu;
mod figures;
mod options;
mod replies;
mod run;
mod user;

use clap::Parser;

use options::{Mode, Options};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    match options.mode {
        Mode::Idle(idle) => println!("{}", run::idle(&options, idle).await?),
        Mode::Closed(closed) => println!("{}", run::closed(&options, closed).await?),
        Mode::Paced(paced) => println!("{}", run::paced(&options, paced).await?),
    }
    Ok(())
}
