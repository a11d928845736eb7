//! Whether the process lives, and whether it can do its work.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{FromRef, State},
    http::StatusCode,
};
use serde::Serialize;
use sqlx::PgPool;
use tokio::time::timeout;
use troupe_core::ports::JobQueue;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// What readiness looks at.
pub(crate) struct Probes {
    pub(crate) pool: PgPool,
    pub(crate) jobs: Arc<dyn JobQueue>,
}

pub(crate) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Probes>: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(health)).routes(routes!(ready))
}

/// Of those who look after the process: nothing limits them.
pub(crate) const TAG: &str = "operations";

const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    #[schema(example = "ok")]
    status: &'static str,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Readiness {
    #[schema(example = "ok")]
    status: &'static str,
    #[schema(example = "ok")]
    postgres: &'static str,
    #[schema(example = "ok")]
    redis: &'static str,
}

/// Whether the process lives
#[utoipa::path(get, path = "/health", tag = TAG, security(()), responses((status = 200, body = Health)))]
pub(crate) async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Whether it can take messages
///
/// PostgreSQL must answer; without Redis messages are still taken, and replies are late.
#[utoipa::path(get, path = "/ready", tag = TAG, security(()),
    responses((status = 200, body = Readiness), (status = 503, body = Readiness)))]
pub(crate) async fn ready(State(health): State<Arc<Probes>>) -> (StatusCode, Json<Readiness>) {
    let postgres = timeout(PATIENCE, sqlx::query("select 1").execute(&health.pool));
    let (postgres, redis) = tokio::join!(postgres, timeout(PATIENCE, health.jobs.ping()));
    let (postgres, redis) = (matches!(postgres, Ok(Ok(_))), matches!(redis, Ok(Ok(()))));
    let word = |ok: bool| if ok { "ok" } else { "away" };
    let (status, summary) = match (postgres, redis) {
        (true, true) => (StatusCode::OK, "ok"),
        (true, false) => (StatusCode::OK, "degraded"),
        (false, _) => (StatusCode::SERVICE_UNAVAILABLE, "away"),
    };
    (status, Json(Readiness { status: summary, postgres: word(postgres), redis: word(redis) }))
}
