//! Looks after the providers without asking them for a word: whether they answer, and take their keys.
//!
//! One worker does it for all of them. What is well is looked at seldom, what is not more often, and each at a time of its own.
//! A key that is not accepted rests at once, before a reply finds out; one that is accepted again may be tried again.

use std::{sync::Arc, time::Duration};

use sqlx::PgConnection;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use troupe_core::{config, model::providers::Outcome};
use troupe_db::operations::provider_checks::{self, Found};

use super::{chain::Chain, roster::Endpoint};
use crate::schedules::Scheduled;

/// Looks at what is due in each of the shorter intervals.
const LOOKS: u32 = 10;

pub(crate) struct Checks {
    chain: Arc<Chain>,
    well: Duration,
    unwell: Duration,
}

impl Checks {
    pub(crate) fn new(chain: Arc<Chain>, config: &config::Models) -> Self {
        Self { chain, well: config.check_interval, unwell: config.check_interval_failing }
    }

    async fn check(&self, endpoint: &Endpoint, db: &mut PgConnection) -> sqlx::Result<()> {
        let began = Instant::now();
        let found = endpoint.model.check().await;
        let took = began.elapsed();
        self.chain.checked(endpoint, &found);
        let well = found.is_ok() && endpoint.standing.rest().is_none();
        let (provider, key) = place(endpoint);
        let detail = found.as_ref().err().map(ToString::to_string);
        let found = Found {
            provider: &provider,
            key: &key,
            outcome: found.map_or_else(|failure| failure.outcome, |()| Outcome::Completed),
            detail: detail.as_deref(),
            took,
            next: around(if well { self.well } else { self.unwell }),
        };
        tracing::debug!(provider, key, outcome = ?found.outcome, "checked");
        provider_checks::record(db, &found).await
    }
}

impl Scheduled for Checks {
    const NAME: &'static str = "check providers";

    fn interval(&self) -> Duration {
        self.well.min(self.unwell) / LOOKS
    }

    async fn run(&self, db: &mut PgConnection, shutdown: &CancellationToken) -> sqlx::Result<()> {
        let endpoints = self.chain.endpoints();
        let places: Vec<_> = endpoints.iter().map(|endpoint| place(endpoint)).collect();
        provider_checks::list(&mut *db, &places, self.unwell).await?;
        let rests = endpoints.iter().filter(|endpoint| endpoint.standing.rest().is_some());
        let unwell: Vec<_> = rests.map(|endpoint| place(endpoint)).collect();
        let due = provider_checks::due(&mut *db, &unwell, self.unwell).await?;
        for endpoint in endpoints.iter().filter(|endpoint| due.contains(&place(endpoint))) {
            match shutdown.run_until_cancelled(self.check(endpoint, db)).await {
                Some(checked) => checked?,
                None => break,
            }
        }
        Ok(())
    }
}

/// As it is stored.
fn place(endpoint: &Endpoint) -> (String, String) {
    (endpoint.provider.clone(), endpoint.key.clone().unwrap_or_default())
}

/// A fifth sooner or later: what is checked together does not stay together.
fn around(interval: Duration) -> Duration {
    interval.mul_f64(0.8 + 0.4 * fastrand::f64())
}
