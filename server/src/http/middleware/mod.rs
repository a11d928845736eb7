//! The outermost layer, around every route.
//!
//! A call gets its correlation id, client address, class, concurrency permit and time limit. Overlong addresses,
//! compressed bodies and excess calls are rejected here. A response gets the body of its problem, security and CORS
//! headers.

mod cors;
pub(crate) mod measured_call;
pub(crate) mod security_headers;

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::time::{Instant, timeout};
use tracing::{Instrument, field};
use troupe_core::problem::Problem;

use measured_call::MeasuredCall;

use super::{
    error::{ApiError, openai},
    extract::{
        client_address::ClientAddress,
        correlation::{CorrelationId, X_REQUEST_ID},
    },
    limits::{
        concurrency::CallPermit,
        route_classes::{Class, Rate},
    },
    serve::Peer,
};
use crate::http::Http;

pub(crate) async fn apply(State(http): State<Arc<Http>>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let config = &http.config;
    let call = MeasuredCall::of(&request, http.access_log);
    let id = CorrelationId::of(request.headers());
    let class = Class::of(&request);
    let address = ClientAddress::of(&request, &config.trusted_proxies);
    let speaks_openai = openai::applies(request.uri().path());
    let origin = cors::listed(&config.cors_origins, request.headers());
    let traced = call.begin_trace(&request, class);
    let span = tracing::info_span!("call", method = %request.method(), path = request.uri().path(), correlation_id = id.0,
        trace_id = field::Empty);
    if let Some(context) = traced.context() {
        span.record("trace_id", field::display(context.as_parent().trace));
    }
    let extensions = request.extensions_mut();
    extensions.insert(id.clone());
    extensions.insert(class);
    extensions.insert(address);
    extensions.insert(http.config.clone());
    let mut response = if origin.is_some() && cors::is_preflight(&request) {
        cors::preflight()
    } else {
        match admit(&http, class, &mut request) {
            Ok(permit) => {
                let answered = with_timeout(class.time_limit(config), permit, request, next);
                traced.scope(answered.instrument(span)).await
            }
            Err(error) => span.in_scope(|| error.into_response()),
        }
    };
    if let Some(mut problem) = response.extensions_mut().remove::<Problem>() {
        problem.request_id = Some(id.0.clone());
        response =
            if speaks_openai { openai::with_error(response, &problem) } else { with_problem(response, &problem) };
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        headers.insert(X_REQUEST_ID, value);
    }
    security_headers::protect(headers, config.is_https());
    if !config.cors_origins.is_empty() {
        cors::write_headers(headers, origin);
    }
    call.answered(&response, began.elapsed(), &id, address, traced);
    response
}

/// Rejects a call by its head alone, or acquires its permit.
fn admit(http: &Http, class: Class, request: &mut Request) -> Result<Option<CallPermit>, ApiError> {
    let limit = http.config.max_url;
    let length = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    if request.extensions().get::<Peer>().is_some_and(|peer| peer.over_limit) {
        return Err(ApiError::overloaded());
    }
    if length > limit {
        return Err(ApiError::url_too_long(limit));
    }
    if request.headers().get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(ApiError::compressed_body());
    }
    // Probes must be answered however full the process is.
    if class.rate == Rate::Free {
        return Ok(None);
    }
    let permit = http.concurrency.acquire_call()?;
    request.extensions_mut().insert(permit.clone());
    Ok(Some(permit))
}

async fn with_timeout(limit: Duration, permit: Option<CallPermit>, request: Request, next: Next) -> Response {
    let response = timeout(limit, next.run(request)).await;
    drop(permit);
    response.unwrap_or_else(|_| ApiError::timed_out().into_response())
}

fn with_problem(response: Response, problem: &Problem) -> Response {
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    match serde_json::to_vec(problem) {
        Ok(json) => Response::from_parts(parts, Body::from(json)),
        Err(_) => parts.status.into_response(),
    }
}
