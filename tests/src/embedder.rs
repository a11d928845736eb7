//! A model service that embeds, over real HTTP: the same vector for the same text, and with ways to fail.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use crate::within;

/// A text that holds it is refused, and every call that comes with it.
pub const REFUSED: &str = "unspeakable";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mood {
    #[default]
    Well,
    /// Every call gets this status.
    Status(u16),
    /// No call is ever answered.
    Silence,
}

struct Shared {
    dimension: Mutex<usize>,
    mood: Mutex<Mood>,
    /// Every text that was embedded, in order.
    texts: watch::Sender<Vec<String>>,
    calls: watch::Sender<usize>,
    /// Of the last call.
    key: Mutex<Option<String>>,
}

/// Dropping it ends it.
pub struct ScriptedEmbedder {
    shared: Arc<Shared>,
    base_url: String,
    _serving: JoinSet<()>,
}

impl ScriptedEmbedder {
    pub async fn start(dimension: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind the embedder");
        let base_url = format!("http://{}/v1", listener.local_addr().expect("the embedder's address"));
        let shared = Arc::new(Shared {
            dimension: Mutex::new(dimension),
            mood: Mutex::default(),
            texts: watch::Sender::default(),
            calls: watch::Sender::new(0),
            key: Mutex::default(),
        });
        let router = Router::new().route("/v1/embeddings", post(embed)).with_state(shared.clone());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.expect("serve the embedder") });
        Self { shared, base_url, _serving: serving }
    }

    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    pub fn set_mood(&self, mood: Mood) {
        *self.shared.mood.lock() = mood;
    }

    pub fn set_dimension(&self, dimension: usize) {
        *self.shared.dimension.lock() = dimension;
    }

    /// How many times this text was embedded.
    pub fn embedded(&self, text: &str) -> usize {
        self.shared.texts.borrow().iter().filter(|embedded| *embedded == text).count()
    }

    /// Waits until so many calls have come; they may not have been answered yet.
    pub async fn called(&self, times: usize) {
        let mut calls = self.shared.calls.subscribe();
        _ = within(&format!("call {times} of the embedder"), calls.wait_for(|calls| *calls >= times)).await;
    }

    pub fn calls(&self) -> usize {
        *self.shared.calls.borrow()
    }

    /// The key of the last call.
    pub fn key(&self) -> Option<String> {
        self.shared.key.lock().clone()
    }
}

async fn embed(State(shared): State<Arc<Shared>>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let mood = *shared.mood.lock();
    shared.calls.send_modify(|calls| *calls += 1);
    let key = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    *shared.key.lock() = key.and_then(|value| value.strip_prefix("Bearer ")).map(str::to_owned);
    let texts: Vec<String> = serde_json::from_value(body["input"].clone()).expect("texts");
    match mood {
        Mood::Status(status) => failed(status),
        Mood::Silence => std::future::pending().await,
        Mood::Well if texts.iter().any(|text| text.contains(REFUSED)) => failed(400),
        Mood::Well => {
            let dimension = *shared.dimension.lock();
            let vectors = texts.iter().map(|text| vector_of(text, dimension));
            let data = vectors.enumerate().map(|(index, vector)| json!({"index": index, "embedding": vector}));
            let data: Vec<_> = data.collect();
            shared.texts.send_modify(|known| known.extend(texts));
            Json(json!({"object": "list", "data": data, "model": body["model"]})).into_response()
        }
    }
}

fn failed(status: u16) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [(header::RETRY_AFTER, "0")], Json(json!({"error": {"message": "as scripted"}}))).into_response()
}

/// Numbers that hang on every byte of the text.
fn vector_of(text: &str, dimension: usize) -> Vec<f32> {
    let mut seed = text.bytes().fold(7_u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 40) as f32 / 16_777_216.0 - 0.5
    };
    (0..dimension).map(|_| next()).collect()
}
