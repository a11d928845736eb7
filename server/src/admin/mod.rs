//! Administration: queues, dead letters, providers, users, tiers, money, the audit log.

pub(crate) mod audit;
pub(crate) mod dead_letters;
pub(crate) mod health;
pub(crate) mod jobs;
pub(crate) mod personas;
pub(crate) mod provider_status;
pub(crate) mod queue_snapshot;
pub(crate) mod queue_state;
pub(crate) mod requests;
pub(crate) mod routes;
pub(crate) mod users;
pub(crate) mod why_waiting;
pub(crate) mod workers;

use std::sync::Arc;

use sqlx::PgPool;
use troupe_core::{
    config::{Config, Live},
    ports::{Cache, ProviderBoard},
};
use troupe_db::Reads;

use crate::{accounts::Accounts, chat::Chat};
use health::FindingsCache;
use queue_snapshot::QueueSnapshotCache;

pub(crate) struct Admin {
    pub(crate) pool: PgPool,
    /// For what may be seen late.
    pub(crate) reads: Reads,
    pub(crate) config: Arc<Config>,
    /// The current configuration of the providers.
    pub(crate) configuration: Live,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) chat: Arc<Chat>,
    /// The providers' state, as workers publish it.
    pub(crate) board: Arc<dyn ProviderBoard>,
    pub(crate) reply_cache: Arc<dyn Cache>,
    pub(crate) queue_snapshot: QueueSnapshotCache,
    pub(crate) findings: FindingsCache,
}
