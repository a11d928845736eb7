//! The listener for those who look after a process, off the public one: `/metrics`, `/health` and `/ready`.
//!
//! It runs on the runtime that does the work: where that hangs, `/health` does not answer.

use std::{
    future::pending,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, ensure};
use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Map, Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use troupe_core::{
    lifecycle::Tasks,
    metrics::{self, MetricSet, Registry},
};

use crate::{lateness, wellbeing::Wellbeing};

/// Below the time limits that probes usually have.
const HEALTH_TIME_LIMIT: Duration = Duration::from_secs(2);

/// A scrape must not fail because PostgreSQL is frozen: that is when it is needed.
const REFRESH_TIME_LIMIT: Duration = Duration::from_secs(2);

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

/// Shows these metrics where one is configured, beside those that every process has, until the shutdown; for ever
/// without an end where none is.
pub async fn serve_if_configured(
    address: Option<SocketAddr>,
    sets: impl IntoIterator<Item = &'static dyn MetricSet>,
    wellbeing: Wellbeing,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let Some(address) = address else { return pending().await };
    let common = [metrics::sets(), troupe_db::metrics::sets(), crate::metric_sets()];
    let sets: Vec<_> = common.into_iter().flatten().chain(sets).collect();
    // On a thread of the runtime, as the work is.
    Tasks::new(shutdown.clone()).spawn_until_shutdown(lateness::measure());
    Listener::bind(address, metrics::registry(&sets), wellbeing).await?.serve(shutdown).await
}

/// Asks the process that listens there, on this machine, whether it lives.
pub async fn ask_health(address: SocketAddr) -> anyhow::Result<()> {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let address = SocketAddr::new(ip, address.port());
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        let call = format!("GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(call.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = timeout(HEALTH_TIME_LIMIT, ask).await.with_context(|| format!("{address} is silent"))?;
    let answer = answer.with_context(|| format!("ask {address}"))?;
    ensure!(answer.starts_with(b"HTTP/1.1 200"), "{address} is not well");
    Ok(())
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
    if timeout(REFRESH_TIME_LIMIT, observed.wellbeing.refresh()).await.is_err() {
        tracing::warn!("the metrics that cost a query are as they were");
    }
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
