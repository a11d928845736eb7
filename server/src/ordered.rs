//! What a worker makes when it is asked for: sounds, translations. A server orders it, once, and looks until it is
//! there.

use std::{future::Future, time::Duration};

use sqlx::{PgPool, Result};
use tokio::time::{Instant, sleep};
use troupe_core::jobs::Payload;
use troupe_db::jobs::enqueue::{NewJob, enqueue_bounded, is_awaited};

/// Jobs of a kind that may wait for a worker, of all users.
const MAX_OPEN: usize = 1_000;
/// The job that refuses another may have ended before it is looked for, and the same again.
const TRIES: u32 = 4;
const FIRST_LOOK: Duration = Duration::from_millis(20);
const MAX_PAUSE: Duration = Duration::from_millis(150);

/// What has become of an order.
#[derive(Debug)]
pub(crate) enum Ordered<T> {
    Made(T),
    /// Its job has ended, and left nothing.
    Failed,
    NotYet,
}

/// Has a worker make it, if none does already; `false` where too much waits for workers.
pub(crate) async fn order<P: Payload>(pool: &PgPool, job: &NewJob, payload: &P) -> Result<bool> {
    for _ in 0..TRIES {
        if enqueue_bounded(pool, job, MAX_OPEN).await? || is_awaited(pool, payload).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Looks for what was ordered until it is there, its job has ended, or the deadline is reached.
pub(crate) async fn until_made<P: Payload, T, F>(
    pool: &PgPool,
    payload: &P,
    deadline: Instant,
    find: impl Fn() -> F + Send,
) -> Result<Ordered<T>>
where
    F: Future<Output = Result<Option<T>>> + Send,
{
    let mut pause = FIRST_LOOK;
    while Instant::now() < deadline {
        sleep(pause.min(deadline - Instant::now())).await;
        // Asked first: what is made between both questions is found by the second.
        let is_awaited = is_awaited(pool, payload).await?;
        if let Some(made) = find().await? {
            return Ok(Ordered::Made(made));
        }
        if !is_awaited {
            return Ok(Ordered::Failed);
        }
        pause = (pause * 2).min(MAX_PAUSE);
    }
    Ok(Ordered::NotYet)
}
