//! Verifies the audit log all the time, a stretch a minute and round after round, so that an alert fires where nobody
//! asks.

use std::time::Duration;

use sqlx::PgPool;
use tokio::time::{MissedTickBehavior, interval};
use troupe_db::with_response_timeout;

use super::verify::{Checkpoint, Stretch, verify};
use crate::{http::error::ApiError, metrics::AUDIT};

const INTERVAL: Duration = Duration::from_mins(1);
/// A round of a million entries takes eight hours.
const STRETCH: i64 = 2_000;
const TIME: Duration = Duration::from_secs(2);

pub(crate) async fn watch(pool: PgPool) {
    let mut reached = None;
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match with_response_timeout(verify_stretch(&pool, reached.clone())).await {
            Ok(next) => reached = next,
            Err(error) => error.log_cause(),
        }
    }
}

/// Returns where the round goes on; `None` for a new round.
async fn verify_stretch(pool: &PgPool, after: Option<Checkpoint>) -> Result<Option<Checkpoint>, ApiError> {
    let verified = verify(pool, Stretch { after, limit: STRETCH, time: TIME }).await?;
    AUDIT.verified.inc_by(verified.entries.unsigned_abs());
    let next = verified.next.as_deref().and_then(|next| next.parse().ok());
    if !verified.whole {
        verified.log();
        AUDIT.broken.set(1);
    } else if next.is_none() {
        // At the end of a round without a fault.
        AUDIT.broken.set(0);
    }
    Ok(next)
}
