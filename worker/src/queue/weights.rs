//! The weights of the tiers as admins change them: looked up now and then, so that a change needs no restart.

use std::{sync::Arc, time::Duration};

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use troupe_shared::{db::users, model::admin::Tier};

use super::slots::Slots;

const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Until the shutdown. A tier that is new has its queue after a restart only.
pub(super) async fn follow(pool: PgPool, mut known: Vec<Tier>, slots: Arc<Slots>, shutdown: CancellationToken) {
    while shutdown.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
        // Not to know them now is no harm: those of before hold.
        let Ok(tiers) = users::tiers(&pool).await else { continue };
        for (number, tier) in known.iter_mut().enumerate() {
            let Some(now) = tiers.iter().find(|now| now.name == tier.name) else { continue };
            if now.queue_weight != tier.queue_weight {
                tracing::info!(tier = tier.name, weight = now.queue_weight, "a tier has another weight");
                tier.queue_weight = now.queue_weight;
                slots.weigh(number, weight(tier));
            }
        }
    }
}

pub(super) fn weight(tier: &Tier) -> u32 {
    u32::try_from(tier.queue_weight).unwrap_or(1)
}
