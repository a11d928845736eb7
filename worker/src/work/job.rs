//! The interface of a kind of job: settings, attempts, outcomes.

use std::{fmt::Display, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use sqlx::{PgExecutor, PgPool, Postgres, Transaction};
use tokio_util::sync::CancellationToken;
use troupe_core::ids::UserId;
use troupe_db::jobs::{
    Lease, finish,
    lease::{self, Taken},
};

use super::RetryPolicy;

/// A kind of job.
pub(crate) trait Job: Send + Sync + 'static {
    /// The name of the kind in the database and in the admin views.
    const KIND: &'static str;
    type Payload: DeserializeOwned + Send + 'static;

    /// Called once, at start.
    fn settings(&self) -> Settings;

    /// One attempt. It may be dropped at any await: when the lease is lost, at the time limit, or at a shutdown. It
    /// must be idempotent: an earlier attempt may have done the same without recording it.
    fn run(&self, payload: Self::Payload, context: &Context) -> impl Future<Output = Result<Outcome, JobError>> + Send;

    /// Called when the attempts are exhausted; by default the job becomes a dead letter.
    fn give_up(
        &self,
        _payload: Self::Payload,
        _context: &Context,
        error: &str,
    ) -> impl Future<Output = Result<Outcome, JobError>> + Send {
        let error = error.to_owned();
        async move { Ok(Outcome::Fail { error }) }
    }
}

/// The settings of a kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// How many are started per job of a kind with weight 1, while slots are scarce and both have a backlog.
    pub(crate) weight: u32,
    /// The maximum of concurrent jobs per worker.
    pub(crate) concurrency: usize,
    pub(crate) retry: RetryPolicy,
    /// The timeout of an attempt.
    pub(crate) time_limit: Duration,
    /// The retention of completed jobs; zero deletes them.
    pub(crate) kept: Duration,
    /// The retention of dead letters; `None` until an admin resolves them.
    pub(crate) dead_letter_kept: Option<Duration>,
}

/// The outcome of an attempt. [`super::attempt`] stores it.
#[derive(Debug, PartialEq)]
pub(crate) enum Outcome {
    Done {
        result: Option<Value>,
    },
    /// Completed by [`Context::finish`], in a transaction of the job's own.
    Finished,
    /// Not completed, but not failed: continue after a pause.
    Retry {
        after: Duration,
    },
    /// Failed for good.
    Fail {
        error: String,
    },
}

impl Outcome {
    pub(crate) const DONE: Self = Self::Done { result: None };
}

/// Why an attempt failed; retried by the kind's policy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    /// Another worker has the job, or it was deleted.
    #[error("its lease is lost")]
    Lost,
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error("{why}")]
    Failed {
        why: String,
        /// A requested pause.
        after: Option<Duration>,
    },
}

impl JobError {
    pub(crate) fn failed(why: impl Display) -> Self {
        Self::Failed { why: why.to_string(), after: None }
    }

    pub(super) const fn after(&self) -> Option<Duration> {
        match self {
            Self::Failed { after, .. } => *after,
            Self::Lost | Self::Database(_) => None,
        }
    }
}

/// The context of an attempt: the job's lease, and the means to report progress.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) pool: PgPool,
    pub(crate) lease: Lease,
    /// The job's user.
    pub(crate) user: Option<UserId>,
    /// The progress of earlier attempts.
    pub(crate) progress: Option<Value>,
    /// Earlier failed attempts.
    pub(crate) failures: u32,
    /// At the shutdown the attempt is dropped, and the job released.
    pub(crate) shutdown: CancellationToken,
    pub(super) lease_duration: Duration,
    pub(super) kept: Duration,
}

impl Context {
    pub(super) fn new(pool: PgPool, taken: &Taken, durations: Durations, shutdown: CancellationToken) -> Self {
        Self {
            pool,
            lease: taken.lease,
            user: taken.user,
            progress: taken.progress.clone(),
            failures: taken.failures.unsigned_abs(),
            shutdown,
            lease_duration: durations.lease,
            kept: durations.kept,
        }
    }

    /// Stores the progress, and renews the lease.
    pub(crate) async fn report(&self, progress: &(impl Serialize + Sync)) -> Result<(), JobError> {
        self.report_in(&self.pool, progress).await
    }

    /// A transaction that holds the lease; the progress is stored with its commit.
    pub(crate) async fn begin(
        &self,
        progress: &(impl Serialize + Sync),
    ) -> Result<Transaction<'static, Postgres>, JobError> {
        let mut transaction = self.pool.begin().await?;
        self.report_in(&mut *transaction, progress).await?;
        Ok(transaction)
    }

    /// The same with a statement or a transaction of the job's own.
    pub(crate) async fn report_in(
        &self,
        db: impl PgExecutor<'_>,
        progress: &(impl Serialize + Sync),
    ) -> Result<(), JobError> {
        let progress = serde_json::to_value(progress).map_err(JobError::failed)?;
        held(lease::progress(db, self.lease, &progress, self.lease_duration).await?)
    }

    /// Completes the job in a transaction with its effects.
    pub(crate) async fn finish(&self, db: impl PgExecutor<'_>, result: Option<&Value>) -> Result<Outcome, JobError> {
        held(finish::finish(db, self.lease, result, self.kept).await?)?;
        Ok(Outcome::Finished)
    }
}

/// The duration of the lease, and the retention of completed jobs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Durations {
    pub(super) lease: Duration,
    pub(super) kept: Duration,
}

pub(crate) const fn held(still: bool) -> Result<(), JobError> {
    if still { Ok(()) } else { Err(JobError::Lost) }
}
