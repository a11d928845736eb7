//! Replies: an [`attempt`] claims a request, streams the reply into its event log and ends in [`finish`].
//!
//! Around it: leases of running attempts, the sweeper that finds what fell between, statements in batches, and what a persona
//! knows and remembers.

mod attempt;
pub(crate) mod batches;
pub(crate) mod cache;
pub(crate) mod cpu_time;
mod event_writer;
mod finish;
pub(crate) mod generator;
mod knowledge;
pub(crate) mod leases;
mod memory;
pub(crate) mod sweeper;
