//! Counts a call for the metrics, and writes its line in the log: a share of all calls (`telemetry.access_log`), and
//! every one that fails by our fault.
//!
//! The line has neither bodies nor queries, which may hold what users have written.

use std::{sync::Arc, time::Duration};

use axum::{
    body::HttpBody,
    extract::{MatchedPath, Request},
    http::{HeaderValue, StatusCode, Uri, header},
    response::Response,
};
use troupe_core::{
    ids::UserId,
    metrics::{Held, ObserveTime},
    trace::{self, Span},
};

use crate::{
    http::{
        extract::{client_address::ClientAddress, correlation::CorrelationId},
        limits::route_classes::{Class, Rate},
    },
    metrics::{CallLabels, HTTP, method_name},
};

/// Addresses without a route are one: what strangers ask for is without end.
const NO_ROUTE: &str = "none";
const MAX_AGENT_CHARS: usize = 200;

/// Who has called, as a response tells the outermost layer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CalledBy(pub(crate) UserId);

/// A call from its beginning until it is answered; also when it is abandoned.
pub(super) struct MeasuredCall {
    method: &'static str,
    route: Arc<str>,
    uri: Uri,
    agent: Option<HeaderValue>,
    request_bytes: u64,
    /// Whether it gets a line whatever its answer.
    sampled: bool,
    _in_flight: Held,
}

impl MeasuredCall {
    pub(super) fn of(request: &Request, access_log: f64) -> Self {
        let request_bytes = request.body().size_hint().exact().unwrap_or_default();
        HTTP.request_bytes.inc_by(request_bytes);
        let route = request.extensions().get::<MatchedPath>().map_or(NO_ROUTE, MatchedPath::as_str);
        Self {
            method: method_name(request.method()),
            route: route.into(),
            uri: request.uri().clone(),
            agent: request.headers().get(header::USER_AGENT).cloned(),
            request_bytes,
            sampled: access_log > 0.0 && fastrand::f64() < access_log,
            _in_flight: Held::of(&HTTP.in_flight),
        }
    }

    /// The first span of its trace, which goes on from the caller's. Probes have none.
    pub(super) fn begin_trace(&self, request: &Request, class: Class) -> Span {
        if class.rate == Rate::Free {
            return Span::default();
        }
        let caller = || request.headers().get("traceparent")?.to_str().ok()?.parse().ok();
        trace::begin(|| format!("{} {}", self.method, self.route), caller)
    }

    fn end_trace(&self, status: StatusCode, user: Option<UserId>, id: &CorrelationId, mut span: Span) {
        if status.is_server_error() {
            span.fail(status.to_string());
        }
        span.describe(|span| {
            span.set("http.request.method", self.method);
            span.set("http.route", self.route.to_string());
            span.set("url.path", self.uri.path().to_owned());
            span.set("http.response.status_code", status.as_u16());
            span.set("troupe.correlation_id", id.0.clone());
            if let Some(user) = user {
                span.set("user.id", user.to_string());
            }
        });
    }

    pub(super) fn answered(
        self,
        response: &Response,
        took: Duration,
        id: &CorrelationId,
        address: ClientAddress,
        span: Span,
    ) {
        let response_bytes = response.body().size_hint().exact().unwrap_or_default();
        HTTP.response_bytes.inc_by(response_bytes);
        let status = response.status();
        let labels = CallLabels { method: self.method, route: self.route.clone(), status_code: status.as_u16() };
        HTTP.duration.get_or_create(&labels).observe_time(took);
        let user = response.extensions().get::<CalledBy>().map(|CalledBy(user)| *user);
        self.end_trace(status, user, id, span);
        if !self.sampled && !status.is_server_error() {
            return;
        }
        let agent = self.agent.as_ref().and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        tracing::info!(
            method = self.method,
            route = &*self.route,
            path = self.uri.path(),
            status = status.as_u16(),
            ms = took.as_secs_f64() * 1_000.0,
            request_bytes = self.request_bytes,
            response_bytes,
            user_id = user.map(|user| user.to_string()).unwrap_or_default(),
            address = %address.0,
            agent = agent.chars().take(MAX_AGENT_CHARS).collect::<String>(),
            correlation_id = id.0,
            "answered"
        );
    }
}
