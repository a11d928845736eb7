//! Whether the process lives, and whether it can do its work.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Json,
    extract::{FromRef, State},
    http::StatusCode,
};
use serde::Serialize;
use tokio::time::timeout;
use troupe_core::{config::Speaker, ports::JobQueue};
use troupe_db::readiness::ReadinessProbe;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// What readiness looks at.
pub(crate) struct Probes {
    /// A connection of its own: the pool of the traffic may be full.
    pub(crate) readiness: ReadinessProbe,
    pub(crate) jobs: Arc<dyn JobQueue>,
    pub(crate) speaker: Speaker,
    /// This process ends soon: others are to be called.
    pub(crate) leaving: AtomicBool,
}

impl Probes {
    /// Whether PostgreSQL and Redis answer.
    pub(crate) async fn look(&self) -> (bool, bool) {
        let postgres = self.readiness.check(READINESS_TIME_LIMIT);
        let (postgres, redis) = tokio::join!(postgres, timeout(READINESS_TIME_LIMIT, self.jobs.ping()));
        if let Err(error) = &postgres {
            tracing::warn!(%error, "not ready");
        }
        (postgres.is_ok(), matches!(redis, Ok(Ok(()))))
    }
}

pub(crate) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Probes>: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(health)).routes(routes!(ready))
}

/// What everybody may know of the models.
pub(crate) fn api_router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Probes>: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(ai_health))
}

/// Of those who look after the process: nothing limits them.
pub(crate) const TAG: &str = "operations";

/// Below the time limits that load balancers usually have.
const READINESS_TIME_LIMIT: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ServiceStatus {
    Ok,
    /// Messages are taken, and replies are late.
    Degraded,
    /// Messages cannot be taken.
    Away,
    /// They are, for a moment yet: the process ends.
    Leaving,
}

/// Whether a part that is needed answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DependencyStatus {
    Ok,
    Away,
}

impl DependencyStatus {
    pub(crate) const fn of(answers: bool) -> Self {
        if answers { Self::Ok } else { Self::Away }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    status: ServiceStatus,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Readiness {
    status: ServiceStatus,
    postgres: DependencyStatus,
    redis: DependencyStatus,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct AiHealth {
    #[schema(inline)]
    speaker: Speaker,
}

/// Who writes the replies
///
/// Where neither the user's tier nor the persona has a chain of its own: a model service, a model on the server's
/// machine, a very small one there, or the built-in one, which only quotes.
#[utoipa::path(get, path = "/ai/health", tag = "models", security(()), responses((status = 200, body = AiHealth)))]
pub(crate) async fn ai_health(State(probes): State<Arc<Probes>>) -> Json<AiHealth> {
    Json(AiHealth { speaker: probes.speaker })
}

/// Whether the process lives
#[utoipa::path(get, path = "/health", tag = TAG, security(()), responses((status = 200, body = Health)))]
pub(crate) async fn health() -> Json<Health> {
    Json(Health { status: ServiceStatus::Ok })
}

/// Whether it can take messages
///
/// PostgreSQL must answer, over a connection that no other call uses; without Redis messages are still taken, and
/// replies are late. A process that ends is not ready.
#[utoipa::path(get, path = "/ready", tag = TAG, security(()),
    responses((status = 200, body = Readiness), (status = 503, body = Readiness)))]
pub(crate) async fn ready(State(health): State<Arc<Probes>>) -> (StatusCode, Json<Readiness>) {
    let (postgres, redis) = health.look().await;
    let (status, summary) = match (postgres, redis) {
        _ if health.leaving.load(Ordering::Relaxed) => (StatusCode::SERVICE_UNAVAILABLE, ServiceStatus::Leaving),
        (true, true) => (StatusCode::OK, ServiceStatus::Ok),
        (true, false) => (StatusCode::OK, ServiceStatus::Degraded),
        (false, _) => (StatusCode::SERVICE_UNAVAILABLE, ServiceStatus::Away),
    };
    (
        status,
        Json(Readiness {
            status: summary,
            postgres: DependencyStatus::of(postgres),
            redis: DependencyStatus::of(redis),
        }),
    )
}
