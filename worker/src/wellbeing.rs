//! Whether a worker can do its work: without PostgreSQL or Redis it cannot.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::time::timeout;
use troupe_core::ports::JobQueue;
use troupe_db::readiness::ReadinessProbe;
use troupe_telemetry::{Part, wellbeing::Dependency};

/// Below the time limits that probes usually have.
const TIME_LIMIT: Duration = Duration::from_secs(2);

pub(crate) struct Dependencies {
    pub(crate) postgres: ReadinessProbe,
    pub(crate) jobs: Arc<dyn JobQueue>,
}

#[async_trait]
impl Part for Dependencies {
    async fn dependencies(&self) -> Vec<Dependency> {
        let (postgres, redis) = tokio::join!(self.postgres.check(TIME_LIMIT), timeout(TIME_LIMIT, self.jobs.ping()));
        if let Err(error) = &postgres {
            tracing::warn!(%error, "not ready");
        }
        let dependency = |name, answers| Dependency { name, needed: true, answers };
        vec![dependency("postgres", postgres.is_ok()), dependency("redis", matches!(redis, Ok(Ok(()))))]
    }
}
