//! Sends traces to a collector, by OTLP over HTTP in JSON (docs/adr/0021).
//!
//! Recordings are queued and sent in batches. Nothing waits for a collector: where it is away or slow, spans are
//! dropped and counted.

mod otlp;

use std::time::Duration;

use anyhow::Context;
use reqwest::{
    Client, Response, StatusCode, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER},
};
use secrecy::ExposeSecret;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;
use troupe_core::{
    adapters::http_client,
    config,
    lifecycle::Tasks,
    metrics::{Counter, Family, OutcomeLabel},
    trace::{self, SpanData, Tracer},
};

use otlp::Resource;

troupe_core::metrics! {
    pub(crate) static METRICS: TraceMetrics {
        /// Spans that were to be exported, by what became of them: exported, refused by the collector, or dropped
        /// because it was away or slow.
        spans: Family<OutcomeLabel, Counter> = "troupe_trace_spans";
    }
}

/// Recordings that wait for their export.
const MAX_QUEUED: usize = 1_024;
const MAX_BATCH: usize = 512;
/// What comes within this time is sent together.
const BATCH_TIME: Duration = Duration::from_secs(1);
const CALL_TIME_LIMIT: Duration = Duration::from_secs(5);
/// Calls for one batch, and the first pause between them, doubled after each.
const MAX_TRIES: u32 = 4;
const BACKOFF: Duration = Duration::from_millis(250);
const MAX_PAUSE: Duration = Duration::from_secs(10);
/// At the end of the process.
const FLUSH_TIME_LIMIT: Duration = Duration::from_secs(3);

/// The export of this process' traces, until [`Self::finish`].
pub struct Traces(Option<Tasks>);

impl Traces {
    /// Switches tracing on where a collector is configured.
    pub fn start(config: &config::Traces, service: &'static str) -> anyhow::Result<Self> {
        let Some(endpoint) = &config.endpoint else { return Ok(Self(None)) };
        let exporter = Exporter::new(config, endpoint, service)?;
        let (sender, receiver) = mpsc::channel(MAX_QUEUED);
        let export = move |spans: Vec<SpanData>| {
            let count = spans.len();
            if sender.try_send(spans).is_err() {
                counted("dropped", count);
            }
        };
        let config::Traces { sample, callers, slow, .. } = *config;
        trace::switch_on(Tracer { sample, callers, slow, export: Box::new(export) });
        let tasks = Tasks::default();
        tasks.spawn(exporter.run(receiver, tasks.shutdown().clone()));
        tracing::info!(%endpoint, sample, "traces are sent");
        Ok(Self(Some(tasks)))
    }

    /// Sends what is queued, if that does not take long.
    pub async fn finish(self) {
        if let Some(tasks) = self.0
            && !tasks.finish(FLUSH_TIME_LIMIT).await
        {
            tracing::warn!("the last traces were not sent");
        }
    }
}

fn counted(outcome: &'static str, spans: usize) {
    METRICS.spans.get_or_create(&OutcomeLabel { outcome }).inc_by(spans as u64);
}

struct Exporter {
    client: Client,
    url: Url,
    resource: Resource,
}

impl Exporter {
    fn new(config: &config::Traces, endpoint: &Url, service: &'static str) -> anyhow::Result<Self> {
        for outcome in ["exported", "refused", "dropped"] {
            counted(outcome, 0);
        }
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        if let Some(authorization) = &config.authorization {
            let value = HeaderValue::try_from(authorization.expose_secret());
            let mut value = value.ok().context("traces.authorization cannot be sent: it is no single line")?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let client = http_client::builder()
            .default_headers(headers)
            .timeout(CALL_TIME_LIMIT)
            .build()
            .context("set up the client for traces")?;
        let base = endpoint.as_str().trim_end_matches('/');
        let url = Url::parse(&format!("{base}/v1/traces")).context("traces.endpoint")?;
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let instance = format!("{host}-{}", std::process::id());
        Ok(Self { client, url, resource: Resource { service, instance } })
    }

    async fn run(self, mut receiver: mpsc::Receiver<Vec<SpanData>>, shutdown: CancellationToken) {
        let mut batch = Vec::new();
        while let Some(Some(spans)) = shutdown.run_until_cancelled(receiver.recv()).await {
            batch.extend(spans);
            let deadline = Instant::now() + BATCH_TIME;
            while batch.len() < MAX_BATCH
                && let Some(Ok(Some(spans))) = shutdown.run_until_cancelled(timeout_at(deadline, receiver.recv())).await
            {
                batch.extend(spans);
            }
            self.export(&batch, &shutdown).await;
            batch.clear();
        }
        while let Ok(spans) = receiver.try_recv() {
            batch.extend(spans);
        }
        if !batch.is_empty() {
            self.export(&batch, &shutdown).await;
        }
    }

    /// Sends a batch, again after failures that may pass; the last time at the shutdown.
    async fn export(&self, batch: &[SpanData], shutdown: &CancellationToken) {
        let body = self.resource.request(batch).to_string();
        let mut pause = BACKOFF;
        for _ in 0..MAX_TRIES {
            let why = match self.client.post(self.url.clone()).body(body.clone()).send().await {
                Ok(response) if response.status().is_success() => return counted("exported", batch.len()),
                Ok(response) if !may_pass(response.status()) => {
                    tracing::warn!(status = response.status().as_u16(), "the collector refuses traces");
                    return counted("refused", batch.len());
                }
                Ok(response) => {
                    pause = retry_after(&response).unwrap_or(pause).min(MAX_PAUSE);
                    response.status().to_string()
                }
                // Without the address, which may be long.
                Err(error) => error.without_url().to_string(),
            };
            tracing::debug!(why, "the collector takes no traces");
            if timeout(pause, shutdown.cancelled()).await.is_ok() {
                break;
            }
            pause *= 2;
        }
        tracing::warn!(spans = batch.len(), "traces were dropped: the collector takes none");
        counted("dropped", batch.len());
    }
}

/// The statuses after which OTLP lets a client try again.
fn may_pass(status: StatusCode) -> bool {
    [
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::BAD_GATEWAY,
        StatusCode::SERVICE_UNAVAILABLE,
        StatusCode::GATEWAY_TIMEOUT,
    ]
    .contains(&status)
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}
