//! What operators rely on: admin pages, audit, shutdown, outages of engines and processes, limits of memory.

pub(crate) mod admin;
mod audit;
mod backups;
mod event_log_loss;
mod failover;
mod housekeeping;
mod jobs;
mod jobs_migration;
mod metrics;
mod migrations;
mod moderation;
mod openapi;
pub(crate) mod outages;
mod partitions;
mod query_plans;
mod readiness;
mod redis_failover;
mod redis_memory;
mod replica_reads;
mod repository;
mod requests;
mod shutdown;
pub(crate) mod standalone;
mod statistics;
mod traces;
