//! Leased work: what is done later by whichever worker comes first.
//!
//! A job is a row. [`enqueue`] puts it in, in the transaction of the change that asks for it; [`lease`] takes it for a
//! while and keeps it; [`finish`] ends the attempt one way or the other. Every statement of a worker names the attempt,
//! which the next lease raises: what a worker says that has lost its lease is refused.

pub mod dead_letters;
pub mod enqueue;
pub mod finish;
pub mod lease;
pub mod list;

pub use enqueue::{NewJob, enqueue};
pub use lease::{Lease, Taken};

/// Where PostgreSQL announces new jobs, when their transaction is committed.
pub const CHANNEL: &str = "troupe_jobs";
