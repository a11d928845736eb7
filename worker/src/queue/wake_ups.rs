//! Wake-ups for consumers: each push publishes its tier, and a slow poll makes up for lost wake-ups.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use troupe_core::adapters::redis::{RedisHandle, wake_channel};

use super::{Queues, Slots};

/// A lost wake-up delays a job by at most this.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
const RESUBSCRIBE_PAUSE: Duration = Duration::from_secs(1);

/// Passes every wake-up on to the slots; never ends.
pub(super) async fn listen(redis: RedisHandle, queues: Arc<Queues>, slots: Arc<Slots>) {
    let wake_all = || (0..queues.count()).for_each(|tier| slots.wake_up(tier));
    let polling = async {
        let mut polls = tokio::time::interval(POLL_INTERVAL);
        loop {
            polls.tick().await;
            wake_all();
        }
    };
    let subscription = async {
        loop {
            match redis.announcements(&wake_channel(redis.prefix())).await {
                Ok(mut wake_ups) => {
                    while let Some(tier) = wake_ups.next().await {
                        match tier.and_then(|tier| queues.tier_index(&tier)) {
                            Some(tier) => slots.wake_up(tier),
                            None => wake_all(),
                        }
                    }
                }
                Err(error) => tracing::warn!(%error, "could not subscribe to wake-ups; polling the queues"),
            }
            tokio::time::sleep(RESUBSCRIBE_PAUSE).await;
        }
    };
    futures::future::join(polling, subscription).await;
}
