//! Log lines in the fields of the Elastic Common Schema, for collectors that expect them.

use std::{fmt, net::IpAddr};

use serde_json::{Map, Value};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormattedFields,
        format::{FormatEvent, JsonFields, Writer},
        time::{FormatTime, SystemTime},
    },
    registry::{LookupSpan, Scope},
};

const VERSION: &str = "8.11.0";

/// Our fields that have a name there; all others are shown below `troupe`.
const NAMES: [(&str, &str); 12] = [
    ("message", "message"),
    ("error", "error.message"),
    ("method", "http.request.method"),
    ("path", "url.path"),
    ("status", "http.response.status_code"),
    ("request_bytes", "http.request.body.bytes"),
    ("response_bytes", "http.response.body.bytes"),
    ("correlation_id", "http.request.id"),
    ("trace_id", "trace.id"),
    ("user_id", "user.id"),
    ("address", "client.ip"),
    ("agent", "user_agent.original"),
];
const NANOSECONDS_PER_MILLISECOND: f64 = 1e6;

/// Writes events as lines of JSON. Fields of spans must be formatted by [`JsonFields`].
pub(crate) struct EcsFormat;

impl<S> FormatEvent<S, JsonFields> for EcsFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Line::default();
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let metadata = event.metadata();
        line.insert("@timestamp", time.into());
        line.insert("ecs.version", VERSION.into());
        line.insert("log.level", metadata.level().as_str().to_lowercase().into());
        line.insert("log.logger", metadata.target().into());
        for span in context.event_scope().into_iter().flat_map(Scope::from_root) {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<JsonFields>>().map(|fields| fields.fields.as_str());
            let fields: Map<String, Value> =
                fields.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
            fields.into_iter().for_each(|(name, value)| line.field(&name, value));
        }
        event.record(&mut line);
        writeln!(out, "{}", Value::Object(line.0))
    }
}

#[derive(Default)]
struct Line(Map<String, Value>);

impl Line {
    fn insert(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_owned(), value);
    }

    /// One of our fields.
    fn field(&mut self, name: &str, value: Value) {
        if let ("ms", Some(ms)) = (name, value.as_f64()) {
            return self.insert("event.duration", ((ms * NANOSECONDS_PER_MILLISECOND) as u64).into());
        }
        // That of a listener has a port, and is no client's.
        if name == "address" && value.as_str().is_none_or(|text| text.parse::<IpAddr>().is_err()) {
            return self.insert("troupe.address", value);
        }
        match NAMES.iter().find(|(ours, _)| *ours == name) {
            Some((_, theirs)) => self.insert(theirs, value),
            None => self.insert(&format!("troupe.{name}"), value),
        }
    }
}

impl Visit for Line {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.field(field.name(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.field(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field.name(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.field(field.name(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field.name(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.field(field.name(), format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::Arc,
    };

    use parking_lot::Mutex;
    use serde_json::json;
    use troupe_core::config::{LogFormat, Telemetry};

    use super::*;
    use crate::logs;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The line that is written of an event.
    fn line(event: impl FnOnce()) -> Value {
        let written = Written::default();
        let writer = written.clone();
        let config = Telemetry { format: LogFormat::Ecs, filter: "info".to_owned(), access_log: 0.0, listen: None };
        let dispatch = logs::dispatch(&config, move || writer.clone()).unwrap();
        tracing::dispatcher::with_default(&dispatch, event);
        let line = written.0.lock();
        serde_json::from_slice(&line).unwrap()
    }

    #[test]
    fn an_address_with_a_port_is_no_clients() {
        let client = line(|| tracing::info!(address = %"127.0.0.1", "answered"));
        let listener = line(|| tracing::info!(address = %"127.0.0.1:8080", "listening"));
        assert_eq!((&client["client.ip"], &listener["client.ip"]), (&json!("127.0.0.1"), &Value::Null));
        assert_eq!(listener["troupe.address"], "127.0.0.1:8080");
    }

    #[test]
    fn fields_have_the_names_of_the_schema() {
        let line = line(|| {
            let span = tracing::info_span!("call", path = "/api/v1/questions", correlation_id = "c-1");
            span.in_scope(|| tracing::warn!(status = 503, ms = 1.5, tier = "free", error = %"away", "answered"));
        });
        let expected = json!({
            "ecs.version": VERSION, "log.level": "warn", "log.logger": "troupe_telemetry::ecs::tests",
            "message": "answered", "url.path": "/api/v1/questions", "http.request.id": "c-1", "troupe.tier": "free",
            "http.response.status_code": 503, "event.duration": 1_500_000, "error.message": "away",
        });
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&line[name], value, "{name} in {line}");
        }
        assert!(line["@timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{line}");
    }
}
