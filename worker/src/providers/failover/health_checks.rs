//! Health checks: whether each provider answers and accepts its key, without a token of a reply.
//!
//! One worker checks for all. Healthy endpoints are checked seldom, failing ones more often, with jitter. A rejected
//! key rests at once, before a reply fails; one that is accepted again may be probed.

use std::{sync::Arc, time::Duration};

use sqlx::PgConnection;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use troupe_core::{config, model::providers::Outcome};
use troupe_db::operations::provider_checks::{self, Found};

use super::{chain::Chain, roster::Endpoint};
use crate::work::schedules::Scheduled;

/// Polls for due checks, in each of the shorter intervals.
const POLLS_PER_INTERVAL: u32 = 10;

pub(crate) struct HealthChecks {
    chain: Arc<Chain>,
    interval: Duration,
    failing_interval: Duration,
}

impl HealthChecks {
    pub(crate) fn new(chain: Arc<Chain>, config: &config::Models) -> Self {
        Self { chain, interval: config.check_interval, failing_interval: config.check_interval_failing }
    }

    async fn check(&self, endpoint: &Endpoint, db: &mut PgConnection) -> sqlx::Result<()> {
        let began = Instant::now();
        let result = endpoint.model.check().await;
        let took = began.elapsed();
        self.chain.record_check(endpoint, &result);
        let healthy = result.is_ok() && endpoint.breaker.rest().is_none();
        let (provider, key) = stored_name(endpoint);
        let detail = result.as_ref().err().map(ToString::to_string);
        let found = Found {
            provider: &provider,
            key: &key,
            outcome: result.map_or_else(|failure| failure.outcome, |()| Outcome::Completed),
            detail: detail.as_deref(),
            took,
            next: jittered(if healthy { self.interval } else { self.failing_interval }),
        };
        tracing::debug!(provider, key, outcome = ?found.outcome, "checked");
        provider_checks::record(db, &found).await
    }
}

impl Scheduled for HealthChecks {
    const NAME: &'static str = "check_providers";

    fn interval(&self) -> Duration {
        self.interval.min(self.failing_interval) / POLLS_PER_INTERVAL
    }

    async fn run(&self, db: &mut PgConnection, shutdown: &CancellationToken) -> sqlx::Result<()> {
        let endpoints = self.chain.endpoints();
        let names: Vec<_> = endpoints.iter().map(|endpoint| stored_name(endpoint)).collect();
        provider_checks::list(&mut *db, &names, self.failing_interval).await?;
        let resting = endpoints.iter().filter(|endpoint| endpoint.breaker.rest().is_some());
        let resting: Vec<_> = resting.map(|endpoint| stored_name(endpoint)).collect();
        let due = provider_checks::due(&mut *db, &resting, self.failing_interval).await?;
        for endpoint in endpoints.iter().filter(|endpoint| due.contains(&stored_name(endpoint))) {
            match shutdown.run_until_cancelled(self.check(endpoint, db)).await {
                Some(checked) => checked?,
                None => break,
            }
        }
        Ok(())
    }
}

/// Provider and key, as they are stored.
fn stored_name(endpoint: &Endpoint) -> (String, String) {
    (endpoint.provider.clone(), endpoint.key.clone().unwrap_or_default())
}

/// With jitter of a fifth, to spread the checks.
fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(0.8 + 0.4 * fastrand::f64())
}
