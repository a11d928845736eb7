//! The listener for those who look after a process, off the public one: `/metrics`, `/health` and `/ready`.
//!
//! It runs on the runtime that does the work: where that hangs, `/health` does not answer.

use std::{future::pending, net::SocketAddr, pin::pin, sync::Arc};

use anyhow::Context;
use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use troupe_core::metrics::{self, Registry};

use crate::wellbeing::Wellbeing;

/// Bound, and not yet answering.
pub struct Listener {
    listener: TcpListener,
    state: Arc<Observed>,
}

struct Observed {
    registry: Registry,
    wellbeing: Wellbeing,
}

impl Listener {
    /// Binds the address of `telemetry.listen`.
    pub async fn bind(address: SocketAddr, registry: Registry, wellbeing: Wellbeing) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address).await;
        let listener = listener.with_context(|| format!("listen on {address} (telemetry.listen)"))?;
        Ok(Self { listener, state: Arc::new(Observed { registry, wellbeing }) })
    }

    pub fn address(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// Answers until the token is cancelled.
    pub async fn serve(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        tracing::info!(address = %self.address()?, "metrics are shown");
        let router = Router::new()
            .route("/metrics", get(show_metrics))
            .route("/health", get(async || Json(json!({"status": "ok"}))))
            .route("/ready", get(ready))
            .with_state(self.state);
        let stopped = shutdown.cancelled_owned();
        Ok(axum::serve(self.listener, router).with_graceful_shutdown(stopped).await?)
    }
}

/// A listener, where one is configured; for ever without an end where none is.
pub async fn serve_if_configured(
    address: Option<SocketAddr>,
    register: impl FnOnce(&mut Registry),
    wellbeing: Wellbeing,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let Some(address) = address else { return pending().await };
    let mut registry = Registry::default();
    register(&mut registry);
    Listener::bind(address, registry, wellbeing).await?.serve(shutdown).await
}

/// Runs the work to its end; it fails if the listener does.
pub async fn beside(
    listener: impl Future<Output = anyhow::Result<()>>,
    work: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let mut work = pin!(work);
    tokio::select! {
        ended = listener => {
            ended?;
            // It stops at the shutdown, as the work does in its own time.
            work.await
        }
        ended = &mut work => ended,
    }
}

async fn show_metrics(State(observed): State<Arc<Observed>>) -> Response {
    observed.wellbeing.refresh().await;
    match metrics::encode(&observed.registry) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::MEDIA_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn ready(State(observed): State<Arc<Observed>>) -> (StatusCode, Json<Value>) {
    let report = observed.wellbeing.report().await;
    let (code, status) = match (report.ready, report.dependencies.iter().all(|dependency| dependency.answers)) {
        (true, true) => (StatusCode::OK, "ok"),
        (true, false) => (StatusCode::OK, "degraded"),
        (false, _) => (StatusCode::SERVICE_UNAVAILABLE, "away"),
    };
    let answer = |answers: bool| Value::from(if answers { "ok" } else { "away" });
    let dependencies = report.dependencies.iter().map(|found| (found.name.to_owned(), answer(found.answers)));
    let body: Map<_, _> = [("status".to_owned(), Value::from(status))].into_iter().chain(dependencies).collect();
    (code, Json(Value::Object(body)))
}
