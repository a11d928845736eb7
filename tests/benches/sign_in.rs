//! What sign-ins do to everybody else: how long the accept of a message takes at 100 messages a second, alone, with 20
//! sign-ins a second beside them, and with 20 messages more, which hash nothing; by real processes on a real PostgreSQL
//! (without fsync) and a real Redis.
//!
//! `cargo build --release --workspace && cargo bench --package troupe-tests --bench sign_in`. Short rounds of each kind
//! alternate, so that whatever else the machine does hits both; the median of the rounds' p99 says more than the p99 of
//! all, which a single bad moment of the machine decides. A message is sent when its time has come, whether the one
//! before is answered or not, and its accept counts from that time on: whoever is kept waiting shows.

#![expect(clippy::print_stdout, reason = "a benchmark")]

use std::time::Duration;

use serde_json::json;
use tokio::{task::JoinSet, time::Instant};
use troupe_tests::{Client, ClusterOptions, client::PASSWORD};

const MESSAGES_A_SECOND: u32 = 100;
const OTHERS_A_SECOND: u32 = 20;
/// Multiples of it leave no part of a stretch out, and prefer none.
const GOLDEN: f64 = 0.618_033_988_749_895;
const ROUND: Duration = Duration::from_secs(2);
const ROUNDS: usize = 60;
const USERS: usize = 20;

/// Somebody with a conversation.
#[derive(Clone)]
struct Talker {
    user: Client,
    conversation: String,
}

/// What rounds of one kind have come to.
#[derive(Default)]
struct Rounds {
    all: Vec<f64>,
    p99s: Vec<f64>,
    wrong: usize,
}

/// Makes a call in every stretch of a round, each time at another place in it, as people do: at ticks, every sign-in
/// would come together with a message. Returns how long each took, from its time on, in milliseconds, and how many were
/// not answered as they should.
async fn load<C, F>(a_second: u32, call: C) -> (Vec<f64>, usize)
where
    C: Fn(usize) -> F,
    F: Future<Output = bool> + Send + 'static,
{
    let (began, pause) = (Instant::now(), Duration::from_secs(1) / a_second);
    let mut calls = JoinSet::new();
    for number in 0..(ROUND.as_secs_f64() * f64::from(a_second)) as usize {
        let due = began + pause.mul_f64(number as f64 + (number as f64 * GOLDEN).fract());
        tokio::time::sleep_until(due).await;
        let call = call(number);
        calls.spawn(async move {
            let fine = call.await;
            (due.elapsed().as_secs_f64() * 1e3, fine)
        });
    }
    let all = calls.join_all().await;
    let wrong = all.iter().filter(|(_, fine)| !fine).count();
    (all.into_iter().map(|(took, _)| took).collect(), wrong)
}

async fn chat(talkers: &[Talker], a_second: u32) -> (Vec<f64>, usize) {
    load(a_second, |number| {
        let Talker { user, conversation } = talkers[number % talkers.len()].clone();
        async move { user.send_waiting(&conversation, &format!("Question {number}"), 0).await.status == 202 }
    })
    .await
}

async fn sign_ins(user: &Client) -> (Vec<f64>, usize) {
    load(OTHERS_A_SECOND, |_| {
        let user = user.clone();
        async move {
            let credentials = json!({"email": user.email, "password": PASSWORD});
            user.post("/api/v1/auth/login", &credentials).await.status == 200
        }
    })
    .await
}

fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() as f64 * share) as usize).min(values.len() - 1)]
}

impl Rounds {
    fn add(&mut self, (mut took, wrong): (Vec<f64>, usize)) {
        self.p99s.push(percentile(&mut took, 0.99));
        self.all.extend(took);
        self.wrong += wrong;
    }

    /// Returns the median of the rounds' p99.
    fn show(&mut self, what: &str) -> f64 {
        let [p50, p99, max] = [0.5, 0.99, 1.0].map(|share| percentile(&mut self.all, share));
        let (of, wrong, typical) = (self.all.len(), self.wrong, percentile(&mut self.p99s, 0.5));
        println!(
            "{what}: p50 {p50:.2} ms, p99 {p99:.2} ms (of a round, in the median: {typical:.2} ms), max {max:.2} ms \
             of {of} ({wrong} not as they should)"
        );
        typical
    }
}

#[tokio::main]
async fn main() {
    let cluster = ClusterOptions::default().processes().own_engines().servers(1).workers(1).start().await;
    let mut talkers = Vec::new();
    for _ in 0..USERS {
        let user = cluster.client(0).await;
        let conversation = user.conversation("demo").await;
        talkers.push(Talker { user, conversation });
    }
    let signing_in = cluster.client(0).await;
    chat(&talkers, MESSAGES_A_SECOND).await;
    let [mut alone, mut beside, mut signed_in, mut more] = std::array::from_fn(|_| Rounds::default());
    for _ in 0..ROUNDS {
        alone.add(chat(&talkers, MESSAGES_A_SECOND).await);
        let (accepts, others) = tokio::join!(chat(&talkers, MESSAGES_A_SECOND), sign_ins(&signing_in));
        beside.add(accepts);
        signed_in.add(others);
        more.add(chat(&talkers, MESSAGES_A_SECOND + OTHERS_A_SECOND).await);
    }
    let typical = alone.show("accepts alone");
    let beside = beside.show("accepts beside sign-ins");
    let more = more.show("accepts, as many more");
    signed_in.show("sign-ins");
    println!(
        "p99 of a round, medians: beside sign-ins / alone {:.2}, as many more / alone {:.2}",
        beside / typical,
        more / typical
    );
}
