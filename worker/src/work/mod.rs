//! Leased work: all background jobs other than replies (docs/adr/0018).
//!
//! A kind of job is a type that implements [`Job`], in a file of its feature, and a line in the registry
//! (`crate::registry`). [`Runner`] leases due jobs, [`attempt`] runs one with a time limit and stores the outcome,
//! [`schedules`] enqueue jobs at intervals, and [`Ticker`] is for polling.

mod attempt;
pub(crate) mod job;
mod load;
mod registry;
mod retry;
mod runner;
pub(crate) mod schedules;
#[cfg(test)]
mod tests;
mod tickers;
mod wake;

pub(crate) use job::{Context, Job, JobError, Outcome, Settings};
pub(crate) use registry::Registry;
pub(crate) use retry::RetryPolicy;
pub(crate) use runner::Runner;
pub(crate) use tickers::Ticker;
pub(crate) use wake::WakeUps;
