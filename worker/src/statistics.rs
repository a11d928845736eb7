//! What the control room plots: the history of the queue, and use by days. By schedules, so that one worker at a time
//! does it, and from what is stored anyway.

use std::{sync::Arc, time::Duration};

use sqlx::{Connection, PgConnection};
use tokio_util::sync::CancellationToken;
use troupe_core::{
    clock::Clock,
    ports::{JobQueue, QueueLevel},
};
use troupe_db::{
    accounts::tiers,
    operations::{
        daily_use,
        queue_history::{self, QueueSample},
    },
};

use crate::work::schedules::Scheduled;

const DAY: Duration = Duration::from_hours(24);
const MINUTES_KEPT: Duration = Duration::from_hours(48);
const HOURS_KEPT: Duration = DAY.saturating_mul(30);
const DAYS_KEPT: Duration = DAY.saturating_mul(400);
/// Who wrote on a day.
const DAILY_USERS_KEPT: Duration = DAY.saturating_mul(35);

/// Writes down each minute of the queue, and makes hours of minutes.
pub(crate) struct QueueHistory {
    pub(crate) jobs: Arc<dyn JobQueue>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Scheduled for QueueHistory {
    const NAME: &'static str = "queue_history";

    /// More often than once a minute, or the time between two looks at a schedule would skip some.
    fn interval(&self) -> Duration {
        Duration::from_secs(30)
    }

    async fn run(&self, db: &mut PgConnection, _: &CancellationToken) -> sqlx::Result<()> {
        let tiers: Vec<_> = tiers::list(&mut *db).await?.into_iter().map(|tier| tier.name).collect();
        let samples = match self.jobs.levels(&tiers).await {
            Ok(levels) => tiers.iter().zip(&levels).map(|(tier, level)| self.sample(tier, level)).collect(),
            Err(error) => {
                tracing::warn!(%error, "a minute of the queue's history is without its depth");
                Vec::new()
            }
        };
        queue_history::record_minute(&mut *db, &tiers, &samples).await?;
        let hours = queue_history::roll_up_hours(&mut *db).await?;
        if hours > 0 {
            let removed = queue_history::remove_old(&mut *db, MINUTES_KEPT, HOURS_KEPT).await?;
            tracing::info!(hours, removed, "rolled up the queue's history");
        }
        Ok(())
    }
}

impl QueueHistory {
    fn sample(&self, tier: &str, level: &QueueLevel) -> QueueSample {
        let now = self.clock.now().timestamp_millis();
        let made_at = level.head.and_then(|head| i64::try_from(head.made_at_ms()?).ok());
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        QueueSample {
            tier: tier.to_owned(),
            depth: number(level.waiting),
            oldest_ms: made_at.map_or(0, |at| (now - at).max(0)),
            finished: number(level.finished),
        }
    }
}

/// Counts the hours that are over.
pub(crate) struct DailyUse;

impl Scheduled for DailyUse {
    const NAME: &'static str = "daily_use";

    fn interval(&self) -> Duration {
        Duration::from_mins(10)
    }

    async fn run(&self, db: &mut PgConnection, shutdown: &CancellationToken) -> sqlx::Result<()> {
        while !shutdown.is_cancelled() {
            let mut transaction = db.begin().await?;
            let counted = daily_use::count_hour(&mut transaction).await?;
            transaction.commit().await?;
            let Some(hour) = counted else { break };
            tracing::debug!(%hour, "counted an hour of use");
        }
        daily_use::remove_old(db, DAYS_KEPT, DAILY_USERS_KEPT).await
    }
}
