//! What says that there may be jobs: each push is announced with its tier, and a slow tick makes good what went unheard.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt, StreamExt};
use tokio_util::sync::CancellationToken;
use troupe_core::adapters::redis::{RedisHandle, wake_channel};

use super::{Queues, Slots};

/// An announcement that was lost costs at most this.
const SLOW_TICK: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_secs(1);

/// Tells the slots of every announcement, until the shutdown.
pub(super) async fn hear(redis: RedisHandle, queues: Arc<Queues>, slots: Arc<Slots>, shutdown: CancellationToken) {
    let announce_all = || (0..queues.count()).for_each(|tier| slots.announce(tier));
    let ticks = async {
        let mut ticks = tokio::time::interval(SLOW_TICK);
        loop {
            ticks.tick().await;
            announce_all();
        }
    };
    let pushes = async {
        loop {
            match redis.announcements(&wake_channel(redis.prefix())).await {
                Ok(mut announced) => {
                    while let Some(tier) = announced.next().await {
                        match tier.and_then(|tier| queues.number(&tier)) {
                            Some(tier) => slots.announce(tier),
                            None => announce_all(),
                        }
                    }
                }
                Err(error) => tracing::warn!(%error, "pushes go unheard; looking at the queues in between"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    shutdown.run_until_cancelled(futures::future::join(ticks, pushes).map(drop)).await;
}
