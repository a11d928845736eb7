//! Whole-system tests: real engines, real sockets, and real processes where that matters. One folder per feature; see
//! the harness in `tests/src`.

#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "these are tests")]

mod accounts;
mod architecture;
mod chat;
mod harness;
mod interview;
mod knowledge;
mod local;
mod openai;
mod operations;
mod providers;
mod security;
pub(crate) mod speech;
mod translation;

use troupe_tests::{Cluster, ClusterOptions};

/// Two servers and two workers, within the test's process.
async fn cluster() -> Cluster {
    ClusterOptions::default().start().await
}

/// Where nobody takes up what is to be indexed.
async fn cluster_without_workers() -> Cluster {
    ClusterOptions::default().workers(0).start().await
}

/// For what one of each shows as well.
async fn small_cluster() -> Cluster {
    ClusterOptions::default().servers(1).workers(1).start().await
}

/// The same as real processes.
async fn small_cluster_of_processes() -> Cluster {
    ClusterOptions::default().servers(1).workers(1).processes().start().await
}
