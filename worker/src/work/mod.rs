//! Leased work: everything that is done later and is no reply, written once (docs/adr/0018).
//!
//! A kind of job is a type that implements [`Job`], in a file of its feature, and a line in the registry
//! (`crate::registry`). [`Runner`] takes what is due under a lease, [`attempt`] runs one with a time limit and says how
//! it ended, [`schedules`] put jobs in at intervals, and [`Ticker`] is what looks from time to time.

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
