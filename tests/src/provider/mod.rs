//! A model service that says what a test tells it to, over real HTTP, in every dialect and with every way to fail.
//!
//! Scripts are chosen by the question (the content of the last user message), one after the other when there are
//! several, the last one for ever after; so requests of one test never get each other's answers. A [`Gate`] stops a
//! script until the test opens it.

mod dialect;
mod gate;
mod perform;
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

pub use dialect::Dialect;
pub use gate::Gate;
pub use script::{COMPLETION_TOKENS, Fault, Finish, PROMPT_TOKENS, Script, default_reply, words_of};

use crate::within;
use perform::perform;
use script::Status;

/// A call that came in.
#[derive(Debug, Clone)]
pub struct Call {
    pub at: Instant,
    pub dialect: Dialect,
    pub path: &'static str,
    pub question: String,
    pub body: Value,
    pub authorization: Option<String>,
    /// In whichever header it came.
    pub key: Option<String>,
    pub traceparent: Option<String>,
}

impl Call {
    /// What the prompt says, as (role, content).
    pub fn messages(&self) -> Vec<(String, String)> {
        self.dialect.messages(&self.body)
    }
}

/// What is said to those who ask whether the service is well, by its list of models and by its `/health`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Health {
    #[default]
    Well,
    /// An answer with this status.
    Status(u16),
    /// 200, but `/health` says that the model is still being loaded.
    Loading,
}

/// What a question is answered with that has no scripts, by itself and by how many times it was asked before.
type Habit = Arc<dyn Fn(&str, usize) -> Script + Send + Sync>;

#[derive(Default)]
struct Shared {
    scripts: Mutex<HashMap<String, VecDeque<Script>>>,
    habit: Mutex<Option<Habit>>,
    asked: Mutex<HashMap<String, usize>>,
    calls: watch::Sender<Vec<Call>>,
    health: Mutex<Health>,
    pulled: Mutex<Option<Vec<Value>>>,
    checks: watch::Sender<usize>,
    /// The only one that is taken; any is where there is none.
    key: Mutex<Option<String>>,
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

    /// For those who speak `OpenAI`'s dialect; with Anthropic's it is good as well.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// For those who speak this dialect.
    pub fn base_url_for(&self, dialect: Dialect) -> String {
        if dialect == Dialect::OpenAi { self.base_url() } else { format!("http://{}", self.address) }
    }

    /// What is said from now on to those who ask whether the service is well.
    pub fn set_health(&self, health: Health) {
        *self.shared.health.lock() = health;
    }

    /// Waits until so many have asked whether the service is well.
    pub async fn checked(&self, times: usize) {
        let mut checks = self.shared.checks.subscribe();
        _ = within(&format!("check {times} of the provider"), checks.wait_for(|count| *count >= times)).await;
    }

    /// How many have asked so far whether the service is well.
    pub fn checks(&self) -> usize {
        *self.shared.checks.borrow()
    }

    /// Takes no other key from now on, and quotes each that it refuses.
    pub fn take_only(&self, key: &str) {
        *self.shared.key.lock() = Some(key.to_owned());
    }

    /// It is an Ollama from now on, with these models: name, bytes and family.
    pub fn has_pulled(&self, models: &[(&str, u64, &str)]) {
        let model = |(name, size, family): &(&str, u64, &str)| json!({"name": name, "size": size, "details": {"family": family}});
        *self.shared.pulled.lock() = Some(models.iter().map(model).collect());
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
        let speak = |router: Router<Arc<Shared>>, dialect: Dialect| {
            let answer = move |state, headers, body| answer(dialect, state, headers, body);
            router.route(dialect.path(), post(answer))
        };
        let router = Dialect::ALL
            .into_iter()
            .fold(Router::new(), speak)
            .route("/v1/models", get(models))
            .route("/health", get(health))
            .route("/api/tags", get(tags))
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

async fn models(State(shared): State<Arc<Shared>>) -> Response {
    check(&shared, &json!({"object": "list", "data": [{"id": "scripted", "object": "model", "owned_by": "tests"}]}))
}

async fn tags(State(shared): State<Arc<Shared>>) -> Response {
    match &*shared.pulled.lock() {
        Some(models) => Json(json!({ "models": models })).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn health(State(shared): State<Arc<Shared>>) -> Response {
    let loading = *shared.health.lock() == Health::Loading;
    check(&shared, &json!({"status": if loading { "loading" } else { "ok" }}))
}

fn check(shared: &Shared, well: &Value) -> Response {
    let health = *shared.health.lock();
    shared.checks.send_modify(|count| *count += 1);
    match health {
        Health::Status(status) => told(status, json!({"error": {"message": "as scripted"}}).to_string()),
        Health::Well | Health::Loading => told(200, well.to_string()),
    }
}

fn told(status: u16, body: String) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn answer(
    dialect: Dialect,
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let messages = dialect.messages(&body);
    let question = messages.into_iter().rev().find(|(role, _)| role == "user").map(|(_, content)| content);
    let question = question.unwrap_or_default();
    let wanted = shared.key.lock().clone();
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (authorization, traceparent) = (header("authorization"), header("traceparent"));
    let key = dialect.key(&headers);
    let wrong = key.clone().filter(|key| wanted.is_some_and(|wanted| wanted != *key));
    let script = match wrong {
        Some(key) => {
            let quoted = json!({"error": {"message": format!("Incorrect API key provided: {key}")}});
            Script::error_with(401, &quoted.to_string())
        }
        None => shared.next_script(&question),
    };
    let acts = dialect.acts(&script, &body);
    let call =
        Call { at: Instant::now(), dialect, path: dialect.path(), question, body, authorization, key, traceparent };
    shared.calls.send_modify(|calls| calls.push(call));
    match script.answer {
        Status::Silence => std::future::pending().await,
        // The task of a connection that unwinds takes the connection with it.
        Status::HangUp => std::panic::resume_unwind(Box::new("hung up, as scripted")),
        Status::Error { status, retry_after, body } => {
            let mut response = told(status, body);
            if let Some(seconds) = retry_after {
                response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            }
            response
        }
        Status::Fault(fault) => {
            let (status, body) = dialect.fault(fault);
            told(status, body.to_string())
        }
        Status::Stream => {
            let headers = [(header::CONTENT_TYPE, dialect.content_type()), (header::CONNECTION, "close")];
            (headers, Body::from_stream(perform(acts, script.torn))).into_response()
        }
    }
}
