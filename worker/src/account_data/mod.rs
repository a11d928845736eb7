//! What people take away of theirs, and the end of all that is theirs: two kinds of job.
//!
//! A worker that dies is followed by another, which goes on with a deletion and begins an export anew.

mod archive;
mod deletion;
mod export;

use std::time::Duration;

use troupe_db::accounts::account_jobs::Progress;

pub(crate) use deletion::Deletion;
pub(crate) use export::Export;

/// An attempt that takes longer is followed by the next.
const TIME_LIMIT: Duration = Duration::from_hours(6);
/// An export that has failed so often fails for good. A deletion never does: it was promised.
const EXPORT_ATTEMPTS: u32 = 10;
const RETRY_BASE: Duration = Duration::from_secs(2);
const RETRY_CAP: Duration = Duration::from_mins(10);

/// How far a job is, step by step.
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
