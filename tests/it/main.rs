//! Whole-system tests: real processes, real engines, real sockets. One folder per feature; see the harness in `tests/src`.

#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "these are tests")]

mod accounts;
mod chat;
mod interview;
mod knowledge;
mod operations;
mod providers;
mod security;

use troupe_tests::{Cluster, ClusterOptions};

/// Two servers and two workers.
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
