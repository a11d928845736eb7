//! A collector of traces, by OTLP over real HTTP, that keeps what it is sent and can refuse it.

use std::{collections::VecDeque, sync::Arc};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    routing::post,
};
use parking_lot::Mutex;
use serde_json::{Map, Value};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use crate::within;

/// A span, as its process has sent it.
#[derive(Debug, Clone)]
pub struct Span {
    pub service: String,
    /// Of the process.
    pub instance: String,
    pub name: String,
    pub trace: String,
    pub id: String,
    pub parent: String,
    pub links: Vec<String>,
    pub kind: u64,
    pub start: u64,
    pub end: u64,
    pub attributes: Map<String, Value>,
    pub error: Option<String>,
}

#[derive(Default)]
struct Shared {
    spans: watch::Sender<Vec<Span>>,
    /// The statuses that the next calls get.
    refusals: Mutex<VecDeque<u16>>,
    authorization: Mutex<Option<String>>,
}

/// Dropping it ends it.
pub struct Collector {
    shared: Arc<Shared>,
    endpoint: String,
    _serving: JoinSet<()>,
}

impl Collector {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind the collector");
        let endpoint = format!("http://{}", listener.local_addr().expect("the collector's address"));
        let shared = Arc::new(Shared::default());
        let router = Router::new().route("/v1/traces", post(take)).with_state(shared.clone());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.expect("serve the collector") });
        Self { shared, endpoint, _serving: serving }
    }

    /// For `traces.endpoint`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Refuses the next calls, with a status each.
    pub fn refuse(&self, statuses: impl IntoIterator<Item = u16>) {
        self.shared.refusals.lock().extend(statuses);
    }

    /// How many calls will still be refused.
    pub fn refusals_left(&self) -> usize {
        self.shared.refusals.lock().len()
    }

    /// Of the last call.
    pub fn authorization(&self) -> Option<String> {
        self.shared.authorization.lock().clone()
    }

    /// All spans so far.
    pub fn spans(&self) -> Vec<Span> {
        self.shared.spans.borrow().clone()
    }

    /// Waits until the spans are as they should be.
    pub async fn wait_for(&self, what: &str, holds: impl Fn(&[Span]) -> bool) -> Vec<Span> {
        let mut spans = self.shared.spans.subscribe();
        let found = within(what, async { spans.wait_for(|spans| holds(spans)).await.expect("the collector").clone() });
        found.await
    }
}

async fn take(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> (StatusCode, Json<Value>) {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    *shared.authorization.lock() = authorization.map(str::to_owned);
    let refusal = shared.refusals.lock().pop_front();
    if let Some(status) = refusal {
        return (StatusCode::from_u16(status).expect("a status"), Json(Value::Null));
    }
    let mut spans = Vec::new();
    for of_process in list(&body, "resourceSpans") {
        let resource = attributes(&of_process["resource"]);
        let text = |key: &str| resource[key].as_str().unwrap_or_else(|| panic!("{key} is not in {body}")).to_owned();
        for scope in list(of_process, "scopeSpans") {
            spans.extend(
                list(scope, "spans").iter().map(|span| read(span, text("service.name"), text("service.instance.id"))),
            );
        }
    }
    shared.spans.send_modify(|known| known.extend(spans));
    (StatusCode::OK, Json(Value::Object(Map::new())))
}

fn read(span: &Value, service: String, instance: String) -> Span {
    let text = |key: &str| span[key].as_str().unwrap_or_else(|| panic!("{key} is not in {span}")).to_owned();
    let time = |key: &str| text(key).parse().expect("nanoseconds");
    let links = list(span, "links").iter().map(|link| link["spanId"].as_str().expect("an id").to_owned());
    let failed = span["status"]["code"] == 2;
    Span {
        service,
        instance,
        name: text("name"),
        trace: text("traceId"),
        id: text("spanId"),
        parent: text("parentSpanId"),
        links: links.collect(),
        kind: span["kind"].as_u64().expect("a kind"),
        start: time("startTimeUnixNano"),
        end: time("endTimeUnixNano"),
        attributes: attributes(span),
        error: failed.then(|| span["status"]["message"].as_str().expect("why").to_owned()),
    }
}

fn list<'a>(of: &'a Value, key: &str) -> &'a [Value] {
    of[key].as_array().unwrap_or_else(|| panic!("{key} is no list in {of}"))
}

/// With the values alone: `{"key": "a", "value": {"stringValue": "b"}}` as `a: "b"`.
fn attributes(of: &Value) -> Map<String, Value> {
    let pairs = list(of, "attributes").iter().map(|attribute| {
        let value = attribute["value"].as_object().and_then(|value| value.values().next()).cloned();
        (attribute["key"].as_str().expect("a key").to_owned(), value.expect("a value"))
    });
    pairs.collect()
}
