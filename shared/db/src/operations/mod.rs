//! Operations: workers, schedules, housekeeping, backups, the audit log, idempotency keys.

pub mod audit;
pub mod backups;
pub mod doctor;
pub mod housekeeping;
pub mod idempotency;
pub mod provider_checks;
pub mod runtime_role;
pub mod schedules;
pub mod workers;
