//! A run: a cluster under load, faults, the end of everything that was asked, the check, and a line of figures.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use serde_json::Value;
use troupe_tests::{
    Client, Cluster, ClusterOptions, Replication,
    speaker::{ScriptedSpeaker, SpeechFormat},
};

use crate::{
    check::{Findings, longest_silence},
    faults::Fault,
    ledger::{self, Entry},
    load::Load,
};

/// How long it may take, after the last message, until one more request is final.
const SETTLE: Duration = Duration::from_secs(30);

pub(crate) struct Scene {
    pub(crate) cluster: Cluster,
    load: Load,
    freeze: Duration,
    struck: Option<(Instant, i64)>,
    /// Ended with the scene.
    _speaker: ScriptedSpeaker,
}

impl Scene {
    /// Pauses are short, so that a run is; the number of attempts is such that no fault uses them up.
    pub(crate) async fn start(seed: u64, freeze: Duration) -> Self {
        Self::start_on(ClusterOptions::default().own_engines(), seed, freeze).await
    }

    /// On a PostgreSQL with a synchronous standby.
    pub(crate) async fn start_replicated(seed: u64) -> Self {
        Self::start_on(ClusterOptions::default().replicated(Replication::Synchronous), seed, Duration::ZERO).await
    }

    async fn start_on(stores: ClusterOptions, seed: u64, freeze: Duration) -> Self {
        let speaker = ScriptedSpeaker::start(SpeechFormat::OpenAi).await;
        let cluster = speaker
            .provider(stores, "speaker", "calm")
            .set("TROUPE_SPEECH__CHAIN", "speaker")
            .processes()
            .set("TROUPE_WORKER__LEASE", "2s")
            .set("TROUPE_WORKER__RETRY_CAP", "1s")
            .set("TROUPE_WORKER__MAX_ATTEMPTS", "50")
            .set("TROUPE_WORKER__DRAIN", "500ms")
            .set("TROUPE_SERVER__DRAIN", "2s")
            .set("TROUPE_QUEUE__REDISPATCH_AFTER", "2s")
            .set("TROUPE_REDIS__COMMAND_TIMEOUT", "1s")
            .start()
            .await;
        let load = Load::start(&cluster, seed).await;
        Self { cluster, load, freeze, struck: None, _speaker: speaker }
    }

    /// Lets the load go on until so many more messages have been accepted.
    pub(crate) async fn goes_on(&self, messages: usize) {
        self.load.accepts(messages).await;
    }

    pub(crate) async fn strike(&mut self, fault: Fault) {
        if self.struck.is_none() {
            let open = self.open().await;
            self.struck = Some((Instant::now(), open));
        }
        eprintln!("fault: {}", fault.name());
        fault.strike(&mut self.cluster, &self.load, self.freeze).await;
    }

    /// Ends the load, waits for every end, and checks every message.
    pub(crate) async fn end(mut self, name: &str) -> Figures {
        let said = self.load.stop().await;
        let (struck, in_flight) = self.struck.unwrap_or_else(|| (Instant::now(), 0));
        self.settles().await;
        let Self { cluster, load, _speaker, .. } = self;
        let users = load.users.clone();
        let (sessions, listened) = load.settle(said.clone()).await;
        let ledger = ledger::read(&cluster).await;

        let mut findings = Findings::default();
        findings.of_sending(&said, &ledger);
        findings.of_ledger(&ledger);
        let by_id: HashMap<_, _> = ledger.iter().map(|entry| (&*entry.id, entry)).collect();
        for session in &sessions {
            let mine: Vec<_> = said.iter().filter(|said| said.user == session.user).cloned().collect();
            let user = users[session.user].user["id"].as_str().expect("an id");
            findings.of_session(session, user, &mine, &by_id);
        }
        for (entry, polled, events) in poll(&cluster, &users, &ledger).await {
            findings.of_polling(entry, &polled, &events);
        }
        for listened in &listened {
            let Some(entry) = by_id.get(&*listened.request) else { continue };
            let owner = users.iter().find(|user| user.user["id"] == *entry.user).expect("an owner");
            findings.of_listening(listened, entry, &sentences_of(&cluster, owner, &entry.id).await);
        }
        findings.wrong.extend(cluster.alarms());

        let figures = Figures {
            in_flight,
            messages: ledger.len(),
            again: ledger.iter().map(|entry| usize::try_from(entry.attempt).unwrap_or(0).saturating_sub(1)).sum(),
            refused: said.iter().map(|said| said.in_vain).sum(),
            lost: findings.lost.len(),
            doubled: findings.doubled.len(),
            silence: longest_silence(&sessions, struck),
            sentences: listened.iter().map(|listened| listened.sounds.len()).sum(),
        };
        figures.print(name);
        findings.assert_none();
        figures
    }

    /// Returns when everything is final, or nothing becomes so any more.
    async fn settles(&self) {
        let (mut open, mut progress) = (self.open().await, Instant::now());
        while open > 0 && progress.elapsed() < SETTLE {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let now = self.open().await;
            if now < open {
                (open, progress) = (now, Instant::now());
            }
        }
    }

    /// How many requests have no end yet.
    async fn open(&self) -> i64 {
        self.cluster.number("select count(*) from requests where finished_at is null").await
    }
}

/// What the API says of every request that is final: when it is polled, and its events from the beginning.
async fn poll<'a>(cluster: &Cluster, users: &[Client], ledger: &'a [Entry]) -> Vec<(&'a Entry, Value, Vec<Value>)> {
    let server = cluster.server(cluster.live_servers()[0]);
    let polls = stream::iter(ledger.iter().filter(|entry| entry.is_final())).map(|entry| {
        let owner = users.iter().find(|user| user.user["id"] == *entry.user).expect("an owner").at(server);
        async move {
            let events = owner.events(&entry.id, None).await.rest().await;
            (entry, owner.request(&entry.id).await, events.into_iter().map(|event| event.data).collect())
        }
    });
    polls.buffer_unordered(8).collect().await
}

/// What is said aloud of a reply.
async fn sentences_of(cluster: &Cluster, owner: &Client, request: &str) -> Vec<String> {
    let server = cluster.server(cluster.live_servers()[0]);
    let path = format!("/api/v1/requests/{request}/sentences");
    let sentences = owner.at(server).get(&path).await.expect(200);
    let texts =
        sentences["sentences"].as_array().into_iter().flatten().filter_map(|sentence| sentence["text"].as_str());
    texts.map(str::to_owned).collect()
}

/// What was measured in a run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figures {
    in_flight: i64,
    messages: usize,
    /// Attempts after the first, those that the model service made necessary included.
    again: usize,
    /// Calls that had to be made again.
    refused: usize,
    lost: usize,
    doubled: usize,
    silence: Duration,
    /// Spoken and heard.
    sentences: usize,
}

impl Figures {
    /// What the lines are made of.
    pub(crate) fn print_head() {
        println!(
            "| fault | in flight | messages | lost | doubled | attempts again | calls again | longest silence | sentences \
             heard |"
        );
    }

    /// A line of docs/RELIABILITY.md.
    pub(crate) fn print(&self, name: &str) {
        let Self { in_flight, messages, again, refused, lost, doubled, silence, sentences } = self;
        let silence = silence.as_secs_f64();
        println!(
            "| {name} | {in_flight} | {messages} | {lost} | {doubled} | {again} | {refused} | {silence:.1} s | {sentences} |"
        );
    }

    /// Several runs as one.
    pub(crate) fn add(&mut self, other: Self) {
        self.in_flight = self.in_flight.max(other.in_flight);
        self.messages += other.messages;
        self.again += other.again;
        self.refused += other.refused;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.silence = self.silence.max(other.silence);
        self.sentences += other.sentences;
    }
}
