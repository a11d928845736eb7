//! Leased work: background jobs for any worker.
//!
//! A job is a row. [`enqueue`] inserts it, in the transaction of the change that needs it; [`lease`] claims and renews
//! it; [`finish`] ends the attempt. Every statement of a worker carries the attempt's number, a fencing token that each
//! lease raises: a worker that has lost its lease changes nothing.

pub mod dead_letters;
pub mod enqueue;
pub mod finish;
pub mod lease;
pub mod list;

pub use enqueue::{NewJob, enqueue};
pub use lease::{Lease, Taken};

/// The channel on which PostgreSQL announces new jobs, at commit.
pub const CHANNEL: &str = "troupe_jobs";
