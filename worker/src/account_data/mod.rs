//! Exports of users' data and deletions of accounts: two kinds of job.
//!
//! After the death of a worker, a deletion is resumed, and an export starts over.

mod archive;
mod deletion;
mod export;

use std::time::Duration;

use troupe_db::accounts::account_jobs::Progress;

pub(crate) use deletion::Deletion;
pub(crate) use export::Export;

/// The timeout of an attempt.
const TIME_LIMIT: Duration = Duration::from_hours(6);
/// The maximum of attempts of an export. A deletion is retried forever: it was promised.
const EXPORT_ATTEMPTS: u32 = 10;
const RETRY_BASE: Duration = Duration::from_secs(2);
const RETRY_CAP: Duration = Duration::from_mins(10);

/// The progress of a job, in steps.
struct Steps {
    at: Progress,
}

impl Steps {
    const fn of(steps: i32) -> Self {
        Self { at: Progress { step: "", steps_done: -1, steps, items: 0 } }
    }

    const fn next(&mut self, step: &'static str) {
        self.at.step = step;
        self.at.steps_done += 1;
    }
}
