//! Replies: the [`generator`] claims a request, an [`attempt`] streams the reply into its event log and ends in
//! [`finish`].
//!
//! Around them: [`leases`] of running attempts, the [`sweeper`] for lost requests, batched statements, the cache, and
//! the persona's knowledge and memories.

mod attempt;
pub(crate) mod batches;
pub(crate) mod cache;
pub(crate) mod cpu_time;
mod event_writer;
mod finish;
pub(crate) mod generator;
pub(crate) mod inspection;
mod knowledge;
pub(crate) mod leases;
pub(crate) mod lore;
mod memory;
pub(crate) mod prompts;
mod retry_backoff;
pub(crate) mod sweeper;
