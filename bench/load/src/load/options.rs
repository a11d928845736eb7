//! The command line.

use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(about = "Sends messages to a server and reads the replies; prints latencies, replies a second, and faults.")]
pub(crate) struct Options {
    /// The server's address. TLS is not supported.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    pub(crate) base: String,
    /// The persona of every conversation.
    #[arg(long, default_value = "demo")]
    pub(crate) persona: String,
    /// Each has one conversation and one socket.
    #[arg(long, default_value_t = 64, value_parser = positive)]
    pub(crate) users: usize,
    /// NAME=PID, several times: a process of this machine whose CPU time a reply is printed.
    #[arg(long, value_parser = process)]
    pub(crate) cpu: Vec<Process>,
    #[command(subcommand)]
    pub(crate) mode: Mode,
}

#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) name: String,
    pub(crate) pid: u32,
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum Mode {
    /// Each user sends its next message as soon as it has its reply.
    Closed(Closed),
    /// Messages at a fixed rate, by all users in turns.
    Paced(Paced),
    /// Sockets that are open and silent.
    Idle(Idle),
}

#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Closed {
    #[arg(long, default_value = "10", value_parser = seconds)]
    pub(crate) seconds: Duration,
}

#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Paced {
    /// Messages a second.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: u32,
    #[arg(long, default_value = "10", value_parser = seconds)]
    pub(crate) seconds: Duration,
}

#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Idle {
    /// The server's process, whose resident memory is read.
    #[arg(long)]
    pub(crate) pid: u32,
    #[arg(long, default_value_t = 1000, value_parser = positive)]
    pub(crate) sockets: usize,
    #[arg(long, default_value_t = 8, value_parser = positive)]
    pub(crate) sockets_per_user: usize,
}

fn positive(text: &str) -> anyhow::Result<usize> {
    text.parse().ok().filter(|number| *number > 0).context("not a positive number")
}

fn seconds(text: &str) -> anyhow::Result<Duration> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.filter(|duration| !duration.is_zero()).context("not a positive number of seconds")
}

fn process(text: &str) -> anyhow::Result<Process> {
    let (name, pid) = text.split_once('=').context("not NAME=PID")?;
    Ok(Process { name: name.to_owned(), pid: pid.parse().context("not NAME=PID")? })
}
