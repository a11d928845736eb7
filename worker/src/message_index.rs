//! Schedule that puts new messages into the index of their words, which people search.
//!
//! Behind the replies: a search looks through what is not in the index yet.

use std::{sync::Arc, time::Duration};

use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use troupe_core::clock::Clock;
use troupe_db::replies::search;

use crate::work::schedules::Scheduled;

const INTERVAL: Duration = Duration::from_mins(1);
/// How long the newest messages wait: longer than clocks differ, and than a message is on its way into PostgreSQL.
const SETTLED: Duration = Duration::from_mins(1);
const BATCH: i64 = 1_000;

pub(crate) struct MessageIndex {
    pub(crate) clock: Arc<dyn Clock>,
}

impl Scheduled for MessageIndex {
    const NAME: &'static str = "index_messages";

    fn interval(&self) -> Duration {
        INTERVAL
    }

    async fn run(&self, db: &mut PgConnection, shutdown: &CancellationToken) -> sqlx::Result<()> {
        let until = self.clock.now() - SETTLED;
        let mut all = 0;
        loop {
            let indexed = search::index(&mut *db, until, BATCH).await?;
            all += indexed;
            if indexed < BATCH || shutdown.is_cancelled() {
                break;
            }
        }
        tracing::debug!(messages = all, "indexed messages");
        Ok(())
    }
}
