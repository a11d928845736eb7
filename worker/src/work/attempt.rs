//! One attempt at a job: runs it with a time limit while renewing the lease, and stores the outcome.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures::FutureExt;
use serde_json::Value;
use sqlx::PgPool;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use troupe_core::metrics::{Held, KindLabel, ObserveTime};
use troupe_db::{
    jobs::{
        finish,
        lease::{self, Taken},
    },
    with_response_timeout,
};

use super::{
    job::{Context, Durations, JobError, Outcome},
    registry::Kind,
};
use crate::metrics::{JOBS, JobLabels};

pub(super) struct Attempt {
    pub(super) pool: PgPool,
    pub(super) kind: Arc<Kind>,
    pub(super) taken: Taken,
    pub(super) lease: Duration,
    pub(super) shutdown: CancellationToken,
}

impl Attempt {
    pub(super) async fn run(mut self) {
        let payload = std::mem::take(&mut self.taken.payload);
        let durations = Durations { lease: self.lease, kept: self.kind.settings.kept };
        let context = Context::new(self.pool.clone(), &self.taken, durations, self.shutdown.clone());
        let (job_id, attempt) = (self.taken.lease.job, self.taken.lease.attempt);
        tracing::debug!(%job_id, kind = self.kind.name, attempt, waited = ?self.taken.waited, "a job begins");
        let _running = Held::of(&JOBS.running.get_or_create_owned(&KindLabel { kind: self.kind.name.to_owned() }));
        let began = Instant::now();
        let stored = match self.shutdown.run_until_cancelled(self.held(self.outcome(payload, &context))).await {
            Some(outcome) => {
                self.count(&outcome, began.elapsed());
                with_response_timeout(self.store(outcome)).await
            }
            None => with_response_timeout(finish::put_back(&self.pool, self.taken.lease, Duration::ZERO)).await,
        };
        match stored {
            Ok(true) => {}
            Ok(false) => tracing::info!(%job_id, kind = self.kind.name, attempt, "the lease of a job was lost"),
            Err(error) => tracing::warn!(
                %job_id, kind = self.kind.name, attempt, %error,
                "the end of an attempt could not be stored; the job is due when its lease is over"
            ),
        }
    }

    fn count(&self, outcome: &Result<Outcome, JobError>, took: Duration) {
        let kind = self.kind.name;
        let outcome = match outcome {
            Ok(Outcome::Finished | Outcome::Done { .. }) => {
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                let label = KindLabel { kind: kind.to_owned() };
                JOBS.last_success.get_or_create(&label).set(now.as_secs_f64());
                "done"
            }
            Ok(Outcome::Retry { .. }) => "continued",
            Ok(Outcome::Fail { .. }) => "dead_letter",
            Err(JobError::Lost) => "lost",
            Err(_) => "failed",
        };
        JOBS.attempts.get_or_create(&JobLabels { kind, outcome }).observe_time(took);
    }

    /// Renews the lease while this runs; returns early when the lease is lost.
    async fn held(&self, work: impl Future<Output = Result<Outcome, JobError>>) -> Result<Outcome, JobError> {
        let lost = async {
            loop {
                sleep(self.lease / 3).await;
                match with_response_timeout(lease::renew(&self.pool, self.taken.lease, self.lease)).await {
                    Ok(true) => {}
                    Ok(false) => return,
                    // The attempt continues: the fencing token decides at its end.
                    Err(error) => tracing::warn!(%error, kind = self.kind.name, "could not renew the lease of a job"),
                }
            }
        };
        tokio::select! {
            biased;
            outcome = work => outcome,
            () = lost => Err(JobError::Lost),
        }
    }

    /// Runs the job, or gives it up if its attempts are exhausted.
    async fn outcome(&self, payload: Value, context: &Context) -> Result<Outcome, JobError> {
        let (failures, lapses) = (self.taken.failures.unsigned_abs(), self.taken.lapses.unsigned_abs());
        let retry = &self.kind.settings.retry;
        if retry.is_exhausted(failures, lapses) {
            let silent = || format!("its worker fell silent, {lapses} times");
            let error = self.taken.error.clone().filter(|_| lapses == 0).unwrap_or_else(silent);
            return self.limited(self.kind.job.give_up(payload, context, &error)).await;
        }
        match self.limited(self.kind.job.run(payload.clone(), context)).await {
            Err(error) if !matches!(error, JobError::Lost) && retry.is_exhausted(failures + 1, lapses) => {
                self.limited(self.kind.job.give_up(payload, context, &error.to_string())).await
            }
            outcome => outcome,
        }
    }

    /// Within the time limit; a panic is an error.
    async fn limited(&self, work: impl Future<Output = Result<Outcome, JobError>>) -> Result<Outcome, JobError> {
        let limit = self.kind.settings.time_limit;
        match timeout(limit, AssertUnwindSafe(work).catch_unwind()).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(JobError::failed("it panicked")),
            Err(_) => Err(JobError::failed(format!("it took longer than {}", humantime::format_duration(limit)))),
        }
    }

    /// The only place that stores outcomes; `false` where the lease is lost.
    async fn store(&self, outcome: Result<Outcome, JobError>) -> sqlx::Result<bool> {
        let (pool, lease, settings) = (&self.pool, self.taken.lease, &self.kind.settings);
        let (job_id, kind, attempt) = (lease.job, self.kind.name, lease.attempt);
        match outcome {
            Ok(Outcome::Finished) => {
                tracing::debug!(%job_id, kind, attempt, "a job is done");
                Ok(true)
            }
            Ok(Outcome::Done { result }) => {
                tracing::debug!(%job_id, kind, attempt, "a job is done");
                finish::finish(pool, lease, result.as_ref(), settings.kept).await
            }
            Ok(Outcome::Retry { after }) => {
                tracing::debug!(%job_id, kind, attempt, ?after, "a job goes on later");
                finish::put_back(pool, lease, after).await
            }
            Ok(Outcome::Fail { error }) => {
                tracing::error!(%job_id, kind, attempt, error, "a job is a dead letter");
                finish::dead_letter(pool, lease, &error, settings.dead_letter_kept).await
            }
            Err(JobError::Lost) => Ok(false),
            Err(error) => {
                let requested = error.after().unwrap_or_default();
                let pause =
                    settings.retry.pause(self.taken.failures.unsigned_abs() + 1).max(requested.min(settings.retry.cap));
                tracing::warn!(%job_id, kind, attempt, %error, ?pause, "a job failed; it is tried again");
                finish::fail(pool, lease, &error.to_string(), pause).await
            }
        }
    }
}
