//! What operators rely on: admin pages, audit, shutdown, outages of engines and processes, limits of memory.

pub(crate) mod admin;
mod audit;
mod event_log_loss;
mod housekeeping;
mod openapi;
pub(crate) mod outages;
mod query_plans;
mod redis_memory;
mod shutdown;
mod standalone;
