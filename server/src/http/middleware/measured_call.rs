//! Counts a call for the metrics.

use std::{sync::Arc, time::Duration};

use axum::{
    body::HttpBody,
    extract::{MatchedPath, Request},
    response::Response,
};
use troupe_core::metrics::{Held, ObserveTime};

use crate::metrics::{CallLabels, HTTP, method_name};

/// Addresses without a route are one: what strangers ask for is without end.
const NO_ROUTE: &str = "none";

/// A call from its beginning until it is answered; also when it is abandoned.
pub(super) struct MeasuredCall {
    method: &'static str,
    route: Arc<str>,
    _in_flight: Held,
}

impl MeasuredCall {
    pub(super) fn of(request: &Request) -> Self {
        HTTP.request_bytes.inc_by(request.body().size_hint().exact().unwrap_or_default());
        let route = request.extensions().get::<MatchedPath>().map_or(NO_ROUTE, MatchedPath::as_str);
        Self { method: method_name(request.method()), route: route.into(), _in_flight: Held::of(&HTTP.in_flight) }
    }

    pub(super) fn answered(self, response: &Response, took: Duration) {
        HTTP.response_bytes.inc_by(response.body().size_hint().exact().unwrap_or_default());
        let labels = CallLabels { method: self.method, route: self.route, status_code: response.status().as_u16() };
        HTTP.duration.get_or_create(&labels).observe_time(took);
    }
}
