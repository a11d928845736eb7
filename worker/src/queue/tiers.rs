//! Polls the tiers, so that a changed weight or a new tier needs no restart.

use std::{sync::Arc, time::Duration};

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use troupe_core::model::admin::Tier;
use troupe_db::{accounts::tiers, with_response_timeout};

use super::Queues;

const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// Until the shutdown. The queue of a removed tier stays open: nothing comes from it.
pub(super) async fn follow(pool: PgPool, mut known: Vec<Tier>, queues: Arc<Queues>, shutdown: CancellationToken) {
    while shutdown.run_until_cancelled(tokio::time::sleep(POLL_INTERVAL)).await.is_some() {
        // On an error the last ones hold.
        let Ok(tiers) = with_response_timeout(tiers::list(&pool)).await else { continue };
        for tier in tiers {
            let before = known.iter_mut().find(|before| before.name == tier.name);
            match (queues.tier_index(&tier.name), before) {
                (Some(index), Some(before)) => {
                    if before.queue_weight != tier.queue_weight {
                        tracing::info!(tier = tier.name, weight = tier.queue_weight, "a tier has another weight");
                        queues.consumers.slots.set_weight(index, weight(&tier));
                        *before = tier;
                    }
                }
                _ => match queues.add_tier(&tier).await {
                    Ok(()) => {
                        tracing::info!(tier = tier.name, weight = tier.queue_weight, "there is another tier");
                        known.push(tier);
                    }
                    Err(error) => tracing::warn!(%error, tier = tier.name, "could not open the queue of a tier yet"),
                },
            }
        }
    }
}

pub(super) fn weight(tier: &Tier) -> u32 {
    u32::try_from(tier.queue_weight).unwrap_or(1)
}
