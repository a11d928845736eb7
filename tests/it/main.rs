//! Whole-system tests: real processes, real engines, real sockets. One module per theme; see the harness in `tests/src`.

#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "these are tests")]

mod account_data;
mod accounts;
mod admin;
mod admin_users;
mod ai_status;
mod api_keys;
mod audit;
mod bad_input;
mod browser;
mod budgets;
mod cache;
mod cancels;
mod conversations;
mod correlation;
mod documents;
mod documents_by_url;
mod each_others_ids;
mod failover;
mod failure_table;
mod failures;
mod fairness;
mod feedback;
mod formats;
mod housekeeping;
mod import;
mod interview;
mod interview_days;
mod jobs;
mod jobs_migration;
mod keys;
mod knowledge;
mod knowledge_search;
mod limits;
mod lost_logs;
mod memories;
mod memory;
mod money;
mod openapi;
mod outages;
mod owasp;
mod password_resets;
mod passwords;
mod personas;
mod plans;
mod qdrant;
mod rate_limits;
mod reindex;
mod reply;
mod resume;
mod retrieval;
mod retrieval_outages;
mod retrieval_quality;
mod secrets;
mod sign_ins;
mod sockets;
mod standalone;
mod stops;
mod tiers;
mod training;
mod vector_stores;
mod vectors;

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
