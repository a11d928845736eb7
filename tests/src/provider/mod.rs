//! A model service that says what a test tells it to: OpenAI's chat completions over real HTTP, with every way to fail.
//!
//! Scripts are chosen by the question (the content of the last user message), one after the other when there are several,
//! the last one for ever after; so requests of one test never get each other's answers. A [`Gate`] stops a script until
//! the test opens it.

mod gate;
mod script;

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::Arc,
    time::Instant,
};

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
    task::JoinSet,
};

pub use gate::Gate;
pub use script::{COMPLETION_TOKENS, PROMPT_TOKENS, Script, default_reply, words_of};

use crate::within;
use script::{Status, perform};

/// A call that came in.
#[derive(Debug, Clone)]
pub struct Call {
    pub at: Instant,
    pub question: String,
    pub body: Value,
    pub authorization: Option<String>,
}

impl Call {
    /// What the prompt says, as (role, content).
    pub fn messages(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let messages = self.body["messages"].as_array().cloned().unwrap_or_default();
        messages.iter().map(|message| (text(&message["role"]), text(&message["content"]))).collect()
    }
}

/// What a question is answered with that has no scripts, by itself and by how many times it was asked before.
type Habit = Arc<dyn Fn(&str, usize) -> Script + Send + Sync>;

#[derive(Default)]
struct Shared {
    scripts: Mutex<HashMap<String, VecDeque<Script>>>,
    habit: Mutex<Option<Habit>>,
    asked: Mutex<HashMap<String, usize>>,
    calls: watch::Sender<Vec<Call>>,
}

impl Shared {
    /// The script of the next call with this question.
    fn next_script(&self, question: &str) -> Script {
        let before = {
            let mut asked = self.asked.lock();
            let count = asked.entry(question.to_owned()).or_default();
            *count += 1;
            *count - 1
        };
        let scripted = match self.scripts.lock().get_mut(question) {
            Some(rest) if rest.len() > 1 => rest.pop_front(),
            Some(last) => last.front().cloned(),
            None => None,
        };
        let habit = self.habit.lock().clone();
        scripted
            .or_else(|| habit.map(|habit| habit(question, before)))
            .unwrap_or_else(|| Script::text(&default_reply(question)))
    }
}

/// The service. Dropping it ends it.
pub struct ScriptedProvider {
    shared: Arc<Shared>,
    address: SocketAddr,
    serving: Option<(oneshot::Sender<()>, JoinSet<()>)>,
}

impl ScriptedProvider {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind the provider");
        let address = listener.local_addr().expect("the provider's address");
        let mut provider = Self { shared: Arc::default(), address, serving: None };
        provider.serve(listener);
        provider
    }

    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The question is answered with these, in this order; the last is for every call after that.
    pub fn on(&self, question: &str, scripts: impl IntoIterator<Item = Script>) {
        self.shared.scripts.lock().insert(question.to_owned(), scripts.into_iter().collect());
    }

    /// Questions without scripts are answered like this: by the question, and how many times it was asked before.
    pub fn by_habit(&self, habit: impl Fn(&str, usize) -> Script + Send + Sync + 'static) {
        *self.shared.habit.lock() = Some(Arc::new(habit));
    }

    /// Every call so far, in the order of coming.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.calls.borrow().clone()
    }

    pub fn calls_of(&self, question: &str) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.question == question).collect()
    }

    /// Waits until the question has been asked so many times.
    pub async fn asked(&self, question: &str, times: usize) -> Vec<Call> {
        let mut calls = self.shared.calls.subscribe();
        let enough = |calls: &Vec<Call>| calls.iter().filter(|call| call.question == question).count() >= times;
        _ = within(&format!("call {times} for “{question}”"), calls.wait_for(enough)).await;
        self.calls_of(question)
    }

    /// Refuses connections from now on.
    pub async fn go_away(&mut self) {
        if let Some((stop, mut serving)) = self.serving.take() {
            _ = stop.send(());
            within("the provider's end", serving.join_next()).await;
        }
    }

    /// Listens again, at the same address.
    pub async fn come_back(&mut self) {
        let listener = TcpListener::bind(self.address).await.expect("bind the provider again");
        self.serve(listener);
    }

    fn serve(&mut self, listener: TcpListener) {
        let router = Router::new()
            .route("/v1/chat/completions", post(complete))
            .route("/v1/models", get(models))
            .with_state(self.shared.clone());
        let (stop, stopped) = oneshot::channel();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let ended = axum::serve(listener, router).with_graceful_shutdown(async { _ = stopped.await });
            ended.await.expect("serve the provider");
        });
        self.serving = Some((stop, serving));
    }
}

async fn models() -> Json<Value> {
    Json(json!({"object": "list", "data": [{"id": "scripted", "object": "model", "owned_by": "tests"}]}))
}

async fn complete(State(shared): State<Arc<Shared>>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let question = last_question(&body);
    let authorization = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let usage_wanted = body["stream_options"]["include_usage"] == json!(true);
    let script = shared.next_script(&question);
    shared.calls.send_modify(|calls| calls.push(Call { at: Instant::now(), question, body, authorization }));
    match script.answer {
        Status::Silence => std::future::pending().await,
        Status::Error { status, retry_after, body } => {
            let status = StatusCode::from_u16(status).expect("a status");
            let mut response = (status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
            if let Some(seconds) = retry_after {
                response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            }
            response
        }
        Status::Stream => {
            let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CONNECTION, "close")];
            (headers, Body::from_stream(perform(script.steps(usage_wanted), script.torn))).into_response()
        }
    }
}

fn last_question(body: &Value) -> String {
    let messages = body["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let question = messages.iter().rev().find(|message| message["role"] == "user");
    question.and_then(|message| message["content"].as_str()).unwrap_or_default().to_owned()
}
