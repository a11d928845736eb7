//! What a worker adds to a reply: its own time minus the provider's, by real processes on a real PostgreSQL (without
//! fsync) and a real Redis.
//!
//! `cargo build --release --workspace && cargo bench --package troupe-tests --bench overhead`. The provider measures
//! how long it has a call; the worker logs how long it had the reply (`took_us`), how much of that PostgreSQL took to
//! store it (`storing_us`), and how long it worked on it itself, by the processor's time, rather than waited for the
//! network, for Redis, or for a core (`working_us`). How late the machine wakes a thread that sleeps is measured
//! meanwhile: of that there is some in each wait.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a benchmark: whatever is unexpected ends it")]

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use axum::{
    Json, Router, body::Body, extract::State, http::header, response::IntoResponse, routing::post, serve::ListenerExt,
};
use bytes::Bytes;
use futures::{StreamExt, stream};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{net::TcpListener, time::MissedTickBehavior};
use troupe_core::lifecycle::Tasks;
use troupe_tests::{Client, Cluster, ClusterOptions};

const WARM_UP: usize = 200;
const REPLIES: usize = 2_000;
const TOKENS: usize = 16;

/// How long the provider had each call, by its question.
type Had = Arc<Mutex<HashMap<String, Duration>>>;

async fn complete(State(had): State<Had>, Json(body): Json<Value>) -> impl IntoResponse {
    let began = Instant::now();
    let question = body["messages"].as_array().and_then(|all| all.last()).map(|last| last["content"].clone());
    let question = question.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
    let event = |chunk: Value| Bytes::from(format!("data: {chunk}\n\n"));
    let word =
        move |n: usize| event(json!({"choices": [{"delta": {"content": format!("word{n} ")}, "finish_reason": null}]}));
    let end = [
        event(json!({"choices": [{"delta": {}, "finish_reason": "stop"}]})),
        event(json!({"choices": [], "usage": {"prompt_tokens": 20, "completion_tokens": TOKENS}})),
        Bytes::from("data: [DONE]\n\n"),
    ];
    let parts = stream::iter((0..TOKENS).map(word).chain(end));
    let last = stream::once(async move {
        had.lock().insert(question, began.elapsed());
        Bytes::new()
    });
    let body = parts.chain(last).map(Ok::<_, std::convert::Infallible>);
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(body))
}

async fn provider(had: Had) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind the provider");
    let address = listener.local_addr().expect("an address");
    // Otherwise the last words of a reply wait 40 ms for the acknowledgement of the first ones.
    let listener = listener.tap_io(|connection| connection.set_nodelay(true).expect("a connection without delay"));
    let router = Router::new().route("/v1/chat/completions", post(complete)).with_state(had);
    Tasks::default().spawn(async move { axum::serve(listener, router).await.expect("serve the provider") });
    format!("http://{address}/v1")
}

/// Sends so many messages, so many a second, each in a conversation of its own; returns their questions by request.
async fn send(user: &Client, name: &str, messages: usize, per_second: u64) -> HashMap<String, String> {
    let mut conversations = Vec::new();
    for _ in 0..20 {
        conversations.push(user.conversation("demo").await);
    }
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / u32::try_from(per_second).expect("a rate"));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut questions = HashMap::new();
    for n in 0..messages {
        ticks.tick().await;
        let question = format!("{name} {n}");
        let sent = user.send(&conversations[n % conversations.len()], &question).await;
        questions.insert(sent.request, question);
    }
    for request in questions.keys() {
        user.reply(request).await;
    }
    questions
}

/// Of one reply, in milliseconds.
struct Overhead {
    /// What the worker added, beside storing.
    added: f64,
    storing: f64,
    working: f64,
}

fn overheads(cluster: &Cluster, had: &Had, questions: &HashMap<String, String>) -> Vec<Overhead> {
    let had = had.lock();
    let lines = cluster.worker_log("\"replied\"");
    let entries = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let overhead = |entry: Value| {
        let question = questions.get(entry["span"]["request_id"].as_str()?)?;
        let number = |field: &str| entry["fields"][field].as_u64().map(|microseconds| microseconds as f64 / 1e3);
        let (took, storing, working) = (number("took_us")?, number("storing_us")?, number("working_us")?);
        Some(Overhead { added: took - storing - had.get(question)?.as_secs_f64() * 1e3, storing, working })
    };
    entries.filter_map(overhead).collect()
}

/// How late a thread that sleeps a millisecond is woken, in milliseconds, until this is told to end.
fn lateness(over: Arc<AtomicBool>) -> JoinHandle<Vec<f64>> {
    const NAP: Duration = Duration::from_millis(1);
    thread::spawn(move || {
        let mut late = Vec::new();
        while !over.load(Ordering::Relaxed) {
            let began = Instant::now();
            thread::sleep(NAP);
            late.push(began.elapsed().saturating_sub(NAP).as_secs_f64() * 1e3);
        }
        late
    })
}

fn percentiles(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values[((values.len() as f64 * share) as usize).min(values.len() - 1)];
    format!("p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms of {}", at(0.5), at(0.99), at(1.0), values.len())
}

#[tokio::main]
async fn main() {
    let had = Had::default();
    let options = ClusterOptions::default()
        .processes()
        .own_engines()
        .servers(1)
        .workers(1)
        .set("TROUPE_MODELS__CHAIN", "bench")
        .set("TROUPE_PROVIDERS__BENCH__FORMAT", "openai")
        .set("TROUPE_PROVIDERS__BENCH__BASE_URL", &provider(had.clone()).await)
        .set("TROUPE_PROVIDERS__BENCH__MODEL", "bench");
    let cluster = options.start().await;
    let user = cluster.client(0).await;
    send(&user, "Warm-up", WARM_UP, 100).await;
    for per_second in [20, 100] {
        let messages = if per_second == 20 { REPLIES / 4 } else { REPLIES };
        let over = Arc::new(AtomicBool::new(false));
        let late = lateness(over.clone());
        let questions = send(&user, &format!("At {per_second}"), messages, per_second).await;
        over.store(true, Ordering::Relaxed);
        let late = late.join().expect("a thread that sleeps");
        println!("{per_second} replies/s: a sleeper is late by {}", percentiles(late));
        let overheads = overheads(&cluster, &had, &questions);
        let show = |what: &str, of: fn(&Overhead) -> f64| {
            println!("{per_second} replies/s: {what} {}", percentiles(overheads.iter().map(of).collect()));
        };
        show("the worker's own work", |reply| reply.working);
        show("added beside storing", |reply| reply.added);
        show("storing in PostgreSQL", |reply| reply.storing);
        show("added and storing", |reply| reply.added + reply.storing);
    }
}
