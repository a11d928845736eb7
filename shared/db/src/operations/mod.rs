//! Operations: processes and workers, schedules, statistics, housekeeping, backups, the audit log, idempotency keys.

pub mod audit;
pub mod backups;
pub mod daily_use;
pub mod doctor;
pub mod housekeeping;
pub mod idempotency;
pub mod processes;
pub mod provider_checks;
pub mod queue_history;
pub mod runtime_role;
pub mod schedules;
pub mod workers;
