//! A kind of job, what its attempts are given, and how they end.

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
    /// Names the kind in the database and in the control room.
    const KIND: &'static str;
    type Payload: DeserializeOwned + Send + 'static;

    /// Asked once, at start.
    fn settings(&self) -> Settings;

    /// One attempt. It may be dropped at any await: when the lease is lost, the time is over, or the worker stops.
    /// Whatever it does may have been done before, by an attempt of which nobody has heard again.
    fn run(&self, payload: Self::Payload, context: &Context) -> impl Future<Output = Result<Outcome, JobError>> + Send;

    /// After the last attempt: what else is to be done where the job is given up. Unless it says otherwise, the job is
    /// a dead letter.
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

/// How the jobs of a kind are run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// How many are begun for each one of a kind of weight 1, while slots are scarce and both have a backlog.
    pub(crate) weight: u32,
    /// How many run at the same time in one worker.
    pub(crate) concurrency: usize,
    pub(crate) retry: RetryPolicy,
    /// An attempt that takes longer has failed.
    pub(crate) time_limit: Duration,
    /// How long a job that is done is kept; nothing of it where that is zero.
    pub(crate) kept: Duration,
    /// The same for a dead letter; `None` until an admin settles it.
    pub(crate) dead_letter_kept: Option<Duration>,
}

/// How an attempt ended, as the job sees it. [`super::attempt`] translates it into what is stored.
#[derive(Debug, PartialEq)]
pub(crate) enum Outcome {
    Done {
        result: Option<Value>,
    },
    /// Done, and stored as such by [`Context::finish`], in a transaction of the job's own.
    Finished,
    /// Not done, and nothing has failed: go on after a pause.
    Retry {
        after: Duration,
    },
    /// No further attempt can help.
    Fail {
        error: String,
    },
}

impl Outcome {
    pub(crate) const DONE: Self = Self::Done { result: None };
}

/// Why an attempt did not come to its end. Further attempts follow, as the kind's policy says.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    /// Another worker has the job, or nobody wants it any more.
    #[error("its lease is lost")]
    Lost,
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error("{why}")]
    Failed {
        why: String,
        /// The pause that somebody has asked for.
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

/// What an attempt is given: the job's lease, and the way to say how far it is.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) pool: PgPool,
    pub(crate) lease: Lease,
    /// Whose the job is.
    pub(crate) user: Option<UserId>,
    /// What an earlier attempt has left.
    pub(crate) progress: Option<Value>,
    /// Attempts that have failed before.
    pub(crate) failures: u32,
    /// The worker is asked to stop: the attempt will be dropped, and the job given back.
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

    /// Says how far the job is, and keeps it.
    pub(crate) async fn report(&self, progress: &(impl Serialize + Sync)) -> Result<(), JobError> {
        self.report_in(&self.pool, progress).await
    }

    /// A transaction during which the job stays this worker's; how far it is is said with its commit.
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

    /// Ends the job with a transaction of its own: what it has done, and that it is done, are true together.
    pub(crate) async fn finish(&self, db: impl PgExecutor<'_>, result: Option<&Value>) -> Result<Outcome, JobError> {
        held(finish::finish(db, self.lease, result, self.kept).await?)?;
        Ok(Outcome::Finished)
    }
}

/// How long a lease is, and how long what is done is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Durations {
    pub(super) lease: Duration,
    pub(super) kept: Duration,
}

pub(crate) const fn held(still: bool) -> Result<(), JobError> {
    if still { Ok(()) } else { Err(JobError::Lost) }
}
