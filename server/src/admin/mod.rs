//! What admins see and do: queues, dead letters, providers, users, tiers, money, the audit log.

pub(crate) mod audit;
pub(crate) mod dead_letters;
pub(crate) mod personas;
pub(crate) mod provider_status;
pub(crate) mod queue_snapshot;
pub(crate) mod queue_state;
pub(crate) mod routes;
pub(crate) mod users;
pub(crate) mod why_waiting;
