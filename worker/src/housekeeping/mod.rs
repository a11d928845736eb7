//! Housekeeping: deletes expired rows in small batches with pauses between them, to keep the load low.
//!
//! Tickets, sign-ins and the like that have expired, idempotency keys and days of spending past their retention, and,
//! where the operator has set a retention for them, requests with their messages, which are archived before if there
//! is an archive; spoken sentences that nobody has heard for long. An open request is never removed.

mod archive;

use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tokio_util::sync::CancellationToken;
use troupe_core::{config, ids::RequestId};
use troupe_db::{
    operations::housekeeping::{self, Expired},
    speech::audio_cache,
};

pub(crate) use self::archive::Archive;
use crate::work::schedules::Scheduled;

pub(crate) struct Housekeeping {
    pub(crate) pace: config::Housekeeping,
    pub(crate) retention: config::Retention,
    pub(crate) speech: config::Speech,
    pub(crate) archive: Option<Archive>,
}

impl Scheduled for Housekeeping {
    const NAME: &'static str = "housekeeping";

    fn interval(&self) -> Duration {
        self.pace.interval
    }

    async fn run(&self, db: &mut PgConnection, shutdown: &CancellationToken) -> sqlx::Result<()> {
        let expired = self.remove_expired(db, shutdown).await?;
        let keys = self.remove_keys(db, shutdown).await?;
        let requests = match self.retention.requests {
            Some(kept) => self.remove_requests(db, kept, shutdown).await?,
            None => 0,
        };
        let spending = match self.retention.spending {
            Some(kept) => self.remove_spending(db, kept, shutdown).await?,
            None => 0,
        };
        let jobs = self.remove_jobs(db, shutdown).await?;
        let sounds = self.remove_sounds(db, shutdown).await?;
        tracing::info!(expired, keys, requests, spending, jobs, sounds, "kept house");
        Ok(())
    }
}

impl Housekeeping {
    /// Tickets, sign-ins and other rows with an expiry of their own.
    async fn remove_expired(&self, db: &mut PgConnection, shutdown: &CancellationToken) -> sqlx::Result<u64> {
        let mut all = 0;
        for what in Expired::ALL {
            loop {
                let removed = housekeeping::remove_expired(&mut *db, what, self.batch()).await?;
                all += removed;
                if !self.goes_on(removed, shutdown).await {
                    break;
                }
            }
        }
        Ok(all)
    }

    async fn remove_keys(&self, db: &mut PgConnection, shutdown: &CancellationToken) -> sqlx::Result<u64> {
        let mut all = 0;
        loop {
            let kept = self.retention.idempotency_keys;
            let removed = housekeeping::remove_idempotency_keys(&mut *db, kept, self.batch()).await?;
            all += removed;
            if !self.goes_on(removed, shutdown).await {
                return Ok(all);
            }
        }
    }

    async fn remove_spending(
        &self,
        db: &mut PgConnection,
        kept: Duration,
        shutdown: &CancellationToken,
    ) -> sqlx::Result<u64> {
        let mut all = 0;
        loop {
            let removed = housekeeping::remove_spending(&mut *db, kept, self.batch()).await?;
            all += removed;
            if !self.goes_on(removed, shutdown).await {
                return Ok(all);
            }
        }
    }

    /// Expired jobs, after the files of expired exports.
    async fn remove_jobs(&self, db: &mut PgConnection, shutdown: &CancellationToken) -> sqlx::Result<u64> {
        let mut all = 0;
        loop {
            let parts = housekeeping::remove_export_parts(&mut *db, self.batch()).await?;
            let removed = housekeeping::remove_jobs(&mut *db, self.batch()).await?;
            all += removed;
            if !self.goes_on(parts.max(removed), shutdown).await {
                return Ok(all);
            }
        }
    }

    /// Sounds that nobody has heard for long, and those beyond the size of the cache.
    async fn remove_sounds(&self, db: &mut PgConnection, shutdown: &CancellationToken) -> sqlx::Result<u64> {
        let max_bytes = i64::try_from(self.speech.cache_bytes).unwrap_or(i64::MAX);
        let mut all = 0;
        loop {
            let kept = self.speech.cache_kept;
            let removed = audio_cache::remove_unused(&mut *db, kept, max_bytes, self.batch()).await?;
            all += removed;
            if !self.goes_on(removed, shutdown).await {
                return Ok(all);
            }
        }
    }

    async fn remove_requests(
        &self,
        db: &mut PgConnection,
        kept: Duration,
        shutdown: &CancellationToken,
    ) -> sqlx::Result<u64> {
        let (mut all, mut last) = (0, None::<RequestId>);
        loop {
            let mut transaction = db.begin().await?;
            let old = housekeeping::lock_old_requests(&mut *transaction, kept, last, self.batch()).await?;
            if let (Some(archive), false) = (&self.archive, old.is_empty()) {
                let records = housekeeping::request_records(&mut *transaction, &old).await?;
                archive.write(&old, &records).await.map_err(|error| unwritable(archive, &error))?;
            }
            housekeeping::remove_requests(&mut *transaction, &old).await?;
            transaction.commit().await?;
            all += old.len() as u64;
            last = old.last().copied().or(last);
            if !self.goes_on(old.len() as u64, shutdown).await {
                return Ok(all);
            }
        }
    }

    fn batch(&self) -> i64 {
        i64::from(self.pace.batch)
    }

    /// Pauses; `false` after the last batch or at the shutdown.
    async fn goes_on(&self, removed: u64, shutdown: &CancellationToken) -> bool {
        removed >= u64::from(self.pace.batch)
            && shutdown.run_until_cancelled(tokio::time::sleep(self.pace.pause)).await.is_some()
    }
}

fn unwritable(archive: &Archive, error: &anyhow::Error) -> sqlx::Error {
    sqlx::Error::Configuration(format!("retention.archive, {archive}: {error}").into())
}
