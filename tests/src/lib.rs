//! The harness of the whole-system tests: a scripted provider, a cluster of servers and workers, and a client.
//!
//! A test starts a [`cluster::Cluster`] of its own (a database, servers, workers), tells its
//! [`provider::ScriptedProvider`] what to say, and looks at the system only as a user can: over HTTP, SSE and
//! WebSocket. Servers and workers run within the test's process, or as real ones where a test needs that
//! ([`ClusterOptions`]). Nothing sleeps; whatever is waited for has a deadline, and what was seen until then is shown
//! when it passes.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a harness fails its test at once, and shows what it saw"
)]

pub mod bucket;
pub mod client;
pub mod cluster;
pub mod collector;
pub mod embedder;
pub mod engines;
mod in_process;
pub mod leaks;
mod log;
pub mod mail;
mod options;
pub mod pdf;
mod process;
pub mod provider;
pub mod push_service;
pub mod qdrant;
pub mod raw;
pub mod redis_nodes;
pub mod relay;
pub mod replication;
pub mod snapshot;
pub mod socket;
pub mod speaker;
mod sse;
pub mod stores;
pub mod tls_front;
pub mod transcript;
pub mod translator;

use std::time::Duration;

pub use client::{Answer, Client, Sent};
pub use cluster::Cluster;
pub use collector::Collector;
pub use mail::{MailServer, Manner};
pub use options::ClusterOptions;
pub use process::{Process, Signal};
pub use provider::{Gate, Script, ScriptedProvider};
pub use relay::Relay;
pub use replication::{ReplicatedPostgres, Replication};
pub use socket::Socket;
pub use sse::{EventSource, ServerSentEvent};
pub use transcript::Transcript;

/// How long anything may take that ought to happen. Generous: the machine may be busy with other tests.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// The value of a future that must be there within the [`DEADLINE`].
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let value = tokio::time::timeout(DEADLINE, future).await;
    value.unwrap_or_else(|_| panic!("{what}: did not happen within {DEADLINE:?}"))
}
