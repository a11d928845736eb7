//! A service with the API of S3 that keeps objects in memory, over real HTTP.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Write,
    sync::Arc,
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::put,
};
use parking_lot::Mutex;
use ring::digest::{SHA256, digest};
use tokio::{net::TcpListener, task::JoinSet};

pub const ACCESS_KEY: &str = "an-access-key";

#[derive(Default)]
struct Shared {
    objects: Mutex<BTreeMap<String, String>>,
    refusals: Mutex<VecDeque<(u16, &'static str)>>,
}

/// Dropping it ends it.
pub struct Bucket {
    shared: Arc<Shared>,
    endpoint: String,
    _serving: JoinSet<()>,
}

impl Bucket {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind the bucket");
        let endpoint = format!("http://{}", listener.local_addr().expect("its address"));
        let shared = Arc::new(Shared::default());
        let router = Router::new().route("/{*path}", put(store)).with_state(shared.clone());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.expect("serve the bucket") });
        Self { shared, endpoint, _serving: serving }
    }

    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Refuses the next calls, with a status and the name of the fault for each.
    pub fn refuse(&self, refusals: impl IntoIterator<Item = (u16, &'static str)>) {
        self.shared.refusals.lock().extend(refusals);
    }

    /// What is kept, by path.
    pub fn objects(&self) -> BTreeMap<String, String> {
        self.shared.objects.lock().clone()
    }
}

async fn store(
    State(shared): State<Arc<Shared>>,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Some((status, code)) = shared.refusals.lock().pop_front() {
        return refuse(StatusCode::from_u16(status).expect("a status"), code);
    }
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let hash = digest(&SHA256, &body).as_ref().iter().fold(String::new(), |mut text, byte| {
        _ = write!(text, "{byte:02x}");
        text
    });
    let credential = format!("AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/");
    if !header("authorization").starts_with(&credential) || header("x-amz-content-sha256") != hash {
        return refuse(StatusCode::FORBIDDEN, "SignatureDoesNotMatch");
    }
    shared.objects.lock().insert(path, String::from_utf8_lossy(&body).into_owned());
    StatusCode::OK.into_response()
}

fn refuse(status: StatusCode, code: &str) -> Response {
    (status, format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code></Error>")).into_response()
}
