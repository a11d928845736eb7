//! The quotas of each tier, polled from PostgreSQL: no call has to query them, and a change needs no restart.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::RwLock;
use sqlx::PgPool;
use troupe_core::{lifecycle::Tasks, model::admin::Tier, quota::Quota};
use troupe_db::{accounts::tiers, with_response_timeout};

const POLL_INTERVAL: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TierQuotas {
    pub(super) calls: Quota,
    pub(super) chat: Quota,
}

#[derive(Clone)]
pub(super) struct TierLimits(Arc<RwLock<HashMap<String, TierQuotas>>>);

impl TierLimits {
    /// Polls until the shutdown.
    pub(super) fn start(tiers: &[Tier], pool: PgPool, tasks: &Tasks) -> Self {
        let limits = Self(Arc::new(RwLock::new(read(tiers))));
        let (known, shutdown) = (limits.0.clone(), tasks.shutdown().clone());
        tasks.spawn(async move {
            while shutdown.run_until_cancelled(tokio::time::sleep(POLL_INTERVAL)).await.is_some() {
                // A failed poll keeps the known quotas.
                let Ok(tiers) = with_response_timeout(tiers::list(&pool)).await else { continue };
                let now = read(&tiers);
                if *known.read() != now {
                    *known.write() = now;
                    tracing::info!("tiers have other limits");
                }
            }
        });
        limits
    }

    /// The tightest known quotas for an unknown tier.
    pub(super) fn of(&self, tier: &str) -> Option<TierQuotas> {
        let known = self.0.read();
        known.get(tier).or_else(|| known.values().min_by_key(|quotas| quotas.calls.calls)).copied()
    }
}

fn read(tiers: &[Tier]) -> HashMap<String, TierQuotas> {
    let quota = |calls: i32| Quota::per_minute(u32::try_from(calls).unwrap_or(1).max(1));
    let quotas = |tier: &Tier| TierQuotas { calls: quota(tier.calls_per_minute), chat: quota(tier.chat_per_minute) };
    tiers.iter().map(|tier| (tier.name.clone(), quotas(tier))).collect()
}
