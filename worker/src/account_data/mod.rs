//! What people take away of theirs, and the end of all that is theirs: one at a time in every worker.
//!
//! What is to be done is in PostgreSQL (`db::account_jobs`). A worker keeps what it has taken by saying so again and again; one
//! that dies is followed by another, which goes on with a deletion and begins an export anew.

mod archive;
mod deletion;
mod export;

use std::time::Duration;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use troupe_core::{
    config::Housekeeping,
    model::account_data::{AccountJobKind, AccountJobStatus},
};
use troupe_db::accounts::account_jobs::{self, Progress, Taken};

const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// An export that has failed so often fails for good. A deletion never does: it was promised.
const MOST_ATTEMPTS: i32 = 10;
const LONGEST_PAUSE: Duration = Duration::from_mins(10);

pub(crate) struct AccountData {
    pub(crate) pool: PgPool,
    /// For so long one is kept without a word of its worker.
    pub(crate) lease: Duration,
    pub(crate) pace: Housekeeping,
    /// How long an export is there when it is made.
    pub(crate) kept: Duration,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    /// Another worker has it, or nobody wants it any more.
    #[error("it is another's by now")]
    Lost,
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error("pack a file: {0}")]
    Pack(#[from] zip::result::ZipError),
    #[error("pack a file: {0}")]
    Write(#[from] std::io::Error),
    #[error("pack a file: {0}")]
    Join(#[from] tokio::task::JoinError),
}

/// Takes up what there is until the shutdown.
pub(crate) async fn work(account_data: AccountData, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        let more = account_data.next(&shutdown).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "could not look for exports and deletions");
            false
        });
        if !more {
            _ = shutdown.run_until_cancelled(tokio::time::sleep(LOOK_INTERVAL)).await;
        }
    }
}

impl AccountData {
    /// Does what has waited longest; `false` where nothing waits.
    async fn next(&self, shutdown: &CancellationToken) -> sqlx::Result<bool> {
        let Some(taken) = account_jobs::take(&self.pool, self.lease).await? else { return Ok(false) };
        let (id, kind, attempt) = (taken.id, taken.kind, taken.attempt);
        tracing::info!(%id, ?kind, attempt, "begun");
        let done = async {
            tokio::select! {
                done = self.run(&taken) => done,
                lost = self.keep(&taken) => Err(lost),
            }
        };
        match shutdown.run_until_cancelled(done).await {
            None => account_jobs::put_back(&self.pool, &taken, Duration::ZERO).await?,
            Some(Ok(items)) => tracing::info!(%id, ?kind, attempt, items, "done"),
            Some(Err(Failure::Lost)) => tracing::info!(%id, ?kind, attempt, "it is another's by now"),
            Some(Err(error)) if kind == AccountJobKind::Export && attempt >= MOST_ATTEMPTS => {
                tracing::error!(%id, %error, "an export fails for good");
                account_jobs::finish(&self.pool, &taken, AccountJobStatus::Failed, self.kept).await?;
            }
            Some(Err(error)) => {
                tracing::warn!(%id, ?kind, attempt, %error, "did not get to its end; trying again later");
                let pause = Duration::from_secs(1 << attempt.clamp(0, 10)).min(LONGEST_PAUSE);
                account_jobs::put_back(&self.pool, &taken, pause).await?;
            }
        }
        Ok(true)
    }

    async fn run(&self, taken: &Taken) -> Result<i64, Failure> {
        match taken.kind {
            AccountJobKind::Export => Box::pin(export::export(self, taken)).await,
            AccountJobKind::Deletion => Box::pin(deletion::delete(self, taken)).await,
        }
    }

    /// Keeps it from being given to another; returns when it was.
    async fn keep(&self, taken: &Taken) -> Failure {
        loop {
            tokio::time::sleep(self.lease / 3).await;
            match account_jobs::keep(&self.pool, taken, self.lease).await {
                Ok(true) => {}
                Ok(false) => return Failure::Lost,
                Err(error) => tracing::warn!(%error, "could not keep an export or a deletion"),
            }
        }
    }
}

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
