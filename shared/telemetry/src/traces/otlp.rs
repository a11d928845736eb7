//! Spans as OTLP has them in JSON: `opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest`.

use std::time::{Duration, SystemTime};

use serde_json::{Value as Json, json};
use troupe_core::trace::{Kind, SpanData, Value};

const UNSET: u8 = 0;
const ERROR: u8 = 2;

/// What all spans of a process have in common.
pub(super) struct Resource {
    pub(super) service: &'static str,
    pub(super) instance: String,
}

impl Resource {
    /// The body of an export.
    pub(super) fn request(&self, spans: &[SpanData]) -> Json {
        let attributes = [
            attribute("service.name", &self.service.into()),
            attribute("service.namespace", &"troupe".into()),
            attribute("service.version", &env!("CARGO_PKG_VERSION").into()),
            attribute("service.instance.id", &self.instance.clone().into()),
        ];
        let spans: Vec<_> = spans.iter().map(span).collect();
        json!({"resourceSpans": [{
            "resource": {"attributes": attributes},
            "scopeSpans": [{"scope": {"name": "troupe"}, "spans": spans}],
        }]})
    }
}

fn span(span: &SpanData) -> Json {
    let trace = span.trace.to_string();
    let links: Vec<_> = span.link.iter().map(|id| json!({"traceId": trace, "spanId": id.to_string()})).collect();
    let attributes: Vec<_> = span.attributes.iter().map(|(key, value)| attribute(key, value)).collect();
    let status = match &span.error {
        Some(why) => json!({"code": ERROR, "message": why}),
        None => json!({"code": UNSET}),
    };
    json!({
        "traceId": trace,
        "spanId": span.id.to_string(),
        "parentSpanId": span.parent.map(|id| id.to_string()).unwrap_or_default(),
        "name": span.name,
        "kind": kind(span.kind),
        "startTimeUnixNano": nanoseconds(span.start),
        "endTimeUnixNano": nanoseconds(span.start + span.took),
        "attributes": attributes,
        "links": links,
        "status": status,
    })
}

const fn kind(kind: Kind) -> u8 {
    match kind {
        Kind::Internal => 1,
        Kind::Server => 2,
        Kind::Client => 3,
        Kind::Producer => 4,
        Kind::Consumer => 5,
    }
}

/// Numbers of 64 bits are texts in JSON.
fn nanoseconds(time: SystemTime) -> String {
    time.duration_since(SystemTime::UNIX_EPOCH).as_ref().map_or(0, Duration::as_nanos).to_string()
}

fn attribute(key: &str, value: &Value) -> Json {
    let value = match value {
        Value::Text(text) => json!({"stringValue": text}),
        Value::Number(number) => json!({"intValue": number.to_string()}),
        Value::Real(number) => json!({"doubleValue": number}),
        Value::Flag(flag) => json!({"boolValue": flag}),
    };
    json!({"key": key, "value": value})
}
