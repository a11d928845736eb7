//! Whether the process lives, and whether it can do its work.

use std::time::Duration;

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::state::AppState;

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(health)).routes(routes!(ready))
}

/// Of those who look after the process: nothing limits them.
pub(crate) const TAG: &str = "operations";

/// Below the time limits that load balancers usually have.
const READINESS_TIME_LIMIT: Duration = Duration::from_secs(2);

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
/// PostgreSQL must answer, over a connection that no other call uses; without Redis messages are still taken, and
/// replies are late.
#[utoipa::path(get, path = "/ready", tag = TAG, security(()),
    responses((status = 200, body = Readiness), (status = 503, body = Readiness)))]
pub(crate) async fn ready(State(state): State<AppState>) -> (StatusCode, Json<Readiness>) {
    let postgres = state.readiness.check(READINESS_TIME_LIMIT);
    let (postgres, redis) = tokio::join!(postgres, timeout(READINESS_TIME_LIMIT, state.jobs.ping()));
    if let Err(error) = &postgres {
        tracing::warn!(%error, "not ready");
    }
    let (postgres, redis) = (postgres.is_ok(), matches!(redis, Ok(Ok(()))));
    let word = |ok: bool| if ok { "ok" } else { "away" };
    let (status, summary) = match (postgres, redis) {
        (true, true) => (StatusCode::OK, "ok"),
        (true, false) => (StatusCode::OK, "degraded"),
        (false, _) => (StatusCode::SERVICE_UNAVAILABLE, "away"),
    };
    (status, Json(Readiness { status: summary, postgres: word(postgres), redis: word(redis) }))
}
