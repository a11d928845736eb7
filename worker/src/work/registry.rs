//! The registered kinds of jobs.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::Value;

use super::{
    job::{Context, Job, JobError, Outcome, Settings},
    schedules::{OnSchedule, Scheduled},
};

/// A kind of job, with its payload type erased.
#[async_trait]
pub(super) trait AnyJob: Send + Sync {
    async fn run(&self, payload: Value, context: &Context) -> Result<Outcome, JobError>;
    async fn give_up(&self, payload: Value, context: &Context, error: &str) -> Result<Outcome, JobError>;
}

#[async_trait]
impl<J: Job> AnyJob for J {
    async fn run(&self, payload: Value, context: &Context) -> Result<Outcome, JobError> {
        match serde_json::from_value(payload) {
            Ok(payload) => Job::run(self, payload, context).await,
            Err(error) => Ok(unreadable(&error)),
        }
    }

    async fn give_up(&self, payload: Value, context: &Context, error: &str) -> Result<Outcome, JobError> {
        match serde_json::from_value(payload) {
            Ok(payload) => Job::give_up(self, payload, context, error).await,
            Err(error) => Ok(unreadable(&error)),
        }
    }
}

/// An invalid payload: not retryable.
fn unreadable(error: &serde_json::Error) -> Outcome {
    Outcome::Fail { error: format!("read the payload: {error}") }
}

/// A registered kind.
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) settings: Settings,
    pub(super) job: Box<dyn AnyJob>,
}

/// A registered schedule.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    pub(super) kind: &'static str,
    pub(super) interval: Duration,
}

#[derive(Default)]
pub(crate) struct Registry {
    pub(super) kinds: Vec<Arc<Kind>>,
    pub(super) schedules: Vec<Schedule>,
}

impl Registry {
    pub(crate) fn names(&self) -> Vec<String> {
        self.kinds.iter().map(|kind| kind.name.to_owned()).collect()
    }

    #[must_use]
    pub(crate) fn with<J: Job>(mut self, job: J) -> Self {
        debug_assert!(self.kinds.iter().all(|kind| kind.name != J::KIND), "{} is registered twice", J::KIND);
        let settings = job.settings();
        self.kinds.push(Arc::new(Kind { name: J::KIND, settings, job: Box::new(job) }));
        self
    }

    /// Registers a kind if it is configured here: otherwise its jobs are left to other workers.
    #[must_use]
    pub(crate) fn with_some<J: Job>(self, job: Option<J>) -> Self {
        match job {
            Some(job) => self.with(job),
            None => self,
        }
    }

    /// Registers a kind that only a schedule enqueues.
    #[must_use]
    pub(crate) fn scheduled<S: Scheduled>(mut self, scheduled: S) -> Self {
        self.schedules.push(Schedule { kind: S::NAME, interval: scheduled.interval() });
        self.with(OnSchedule(scheduled))
    }
}
