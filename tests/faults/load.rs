//! The load: users who keep talking, at a pace, whatever happens to the system, and their devices that listen.
//!
//! They behave as good clients do: what is answered with a retryable problem, or not answered at all, is sent again, at
//! another server, with the same `Idempotency-Key`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::join_all;
use parking_lot::Mutex;
use reqwest::Method;
use serde_json::json;
use tokio::{sync::watch, task::JoinSet};
use troupe_tests::{Client, Cluster};

use crate::{
    devices::{self, Habits, Session},
    listeners::{self, Listened},
    replies::{any_question, script_of},
};

const USERS: usize = 4;
const CONVERSATIONS: usize = 2;
/// Between two messages of one conversation, in milliseconds.
const PAUSES: std::ops::Range<u64> = 500..1_500;
/// A call that takes longer is given up, and made again.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(8);
/// How long it may take until anybody takes a message.
const UNACCEPTED: Duration = Duration::from_mins(1);
/// How long it may take, when everything is final, until every device has heard the rest.
const UNHEARD: Duration = Duration::from_mins(1);

/// A message, and what became of sending it.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) user: usize,
    pub(crate) question: String,
    /// Tries that were not answered with 202: turned away, or not answered at all.
    pub(crate) in_vain: usize,
    /// The request that the 202 named, and when the call began that it answered.
    pub(crate) accepted: Option<(String, Instant)>,
    /// An answer that no client must get.
    pub(crate) unexpected: Option<String>,
}

/// What senders and devices share.
pub(crate) struct Stage {
    /// The base URLs of the servers that a client may know of.
    servers: Mutex<Vec<String>>,
    pub(crate) said: watch::Sender<Vec<Said>>,
    stopped: watch::Sender<bool>,
    /// Counts the commands to drop every socket.
    pub(crate) drops: watch::Sender<usize>,
    /// Everything that was said, once each of it is final.
    pub(crate) settled: watch::Sender<Option<Arc<Vec<Said>>>>,
}

impl Stage {
    pub(crate) fn any_server(&self, random: &mut fastrand::Rng) -> String {
        let servers = self.servers.lock();
        servers[random.usize(0..servers.len())].clone()
    }
}

pub(crate) struct Load {
    pub(crate) users: Vec<Client>,
    stage: Arc<Stage>,
    senders: JoinSet<()>,
    devices: JoinSet<Vec<Session>>,
    listeners: JoinSet<Vec<Listened>>,
}

impl Load {
    /// Registers the users, opens their conversations and sockets, and begins to send.
    pub(crate) async fn start(cluster: &Cluster, seed: u64) -> Self {
        cluster.provider.by_habit(script_of);
        let users = join_all((0..USERS).map(|number| cluster.client(number % cluster.servers.len()))).await;
        let stage = Arc::new(Stage {
            servers: Mutex::new(addresses(cluster)),
            said: watch::Sender::default(),
            stopped: watch::Sender::default(),
            drops: watch::Sender::default(),
            settled: watch::Sender::default(),
        });
        let (mut senders, mut devices, mut listeners) = (JoinSet::new(), JoinSet::new(), JoinSet::new());
        let mut random = fastrand::Rng::with_seed(seed);
        for (number, user) in users.iter().enumerate() {
            for habits in [Habits::Steady, Habits::Wandering] {
                let (stage, user, random) = (stage.clone(), user.clone(), random.fork());
                devices.spawn(devices::listen(stage, user, number, habits, random));
            }
            listeners.spawn(listeners::listen(stage.clone(), user.clone(), number, random.fork()));
            for conversation in 0..CONVERSATIONS {
                let sender = Sender {
                    stage: stage.clone(),
                    user: number,
                    client: user.clone(),
                    conversation: user.conversation("demo").await,
                    name: format!("user {number} conversation {conversation}"),
                };
                senders.spawn(sender.keep_talking(random.fork()));
            }
        }
        Self { users, stage, senders, devices, listeners }
    }

    /// The servers are others now.
    pub(crate) fn know_servers(&self, cluster: &Cluster) {
        *self.stage.servers.lock() = addresses(cluster);
    }

    pub(crate) fn accepted(&self) -> usize {
        self.stage.said.borrow().iter().filter(|said| said.accepted.is_some()).count()
    }

    /// The requests accepted so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        let said = self.stage.said.borrow();
        said.iter().filter_map(|said| said.accepted.as_ref()).map(|(request, _)| request.clone()).collect()
    }

    /// Waits until so many more messages have been accepted: the clock of a run.
    pub(crate) async fn accepts(&self, more: usize) {
        let wanted = self.accepted() + more;
        let mut said = self.stage.said.subscribe();
        let enough = |said: &Vec<Said>| said.iter().filter(|said| said.accepted.is_some()).count() >= wanted;
        let reached = tokio::time::timeout(UNACCEPTED, said.wait_for(enough)).await;
        assert!(reached.is_ok(), "{} of {wanted} messages were accepted within {UNACCEPTED:?}", self.accepted());
    }

    /// Every device drops its socket, each at a random moment soon.
    pub(crate) fn drop_sockets(&self) {
        self.stage.drops.send_modify(|drops| *drops += 1);
    }

    /// No new messages; returns when the last has been sent.
    pub(crate) async fn stop(&mut self) -> Arc<Vec<Said>> {
        self.stage.stopped.send_replace(true);
        while let Some(ended) = self.senders.join_next().await {
            ended.expect("a sender that does not panic");
        }
        Arc::new(self.stage.said.borrow().clone())
    }

    /// Everything is final: each device and each listener hears the rest, and tells what it heard.
    pub(crate) async fn settle(self, said: Arc<Vec<Said>>) -> (Vec<Session>, Vec<Listened>) {
        self.stage.settled.send_replace(Some(said));
        let both = async { tokio::join!(self.devices.join_all(), self.listeners.join_all()) };
        let (sessions, listened) = tokio::time::timeout(UNHEARD, both).await.expect("devices that find a server");
        (sessions.into_iter().flatten().collect(), listened.into_iter().flatten().collect())
    }
}

fn addresses(cluster: &Cluster) -> Vec<String> {
    cluster.live_servers().into_iter().map(|number| cluster.server(number).to_owned()).collect()
}

/// One conversation of a user.
struct Sender {
    stage: Arc<Stage>,
    user: usize,
    client: Client,
    conversation: String,
    name: String,
}

/// What one try came to.
enum Try {
    Accepted(String),
    Again,
    Unexpected(String),
}

impl Sender {
    async fn keep_talking(self, mut random: fastrand::Rng) {
        let mut stopped = self.stage.stopped.subscribe();
        for number in 0.. {
            let pause = Duration::from_millis(random.u64(PAUSES));
            if tokio::time::timeout(pause, stopped.wait_for(|stopped| *stopped)).await.is_ok() {
                return;
            }
            let question = any_question(&self.name, number, &mut random);
            let said = self.say(question, &mut random).await;
            self.stage.said.send_modify(|all| all.push(said));
        }
    }

    /// Sends until it is accepted.
    async fn say(&self, question: String, random: &mut fastrand::Rng) -> Said {
        let began = Instant::now();
        let mut said = Said { user: self.user, question, in_vain: 0, accepted: None, unexpected: None };
        while began.elapsed() < UNACCEPTED {
            let tried = Instant::now();
            match self.attempt(&said.question, random).await {
                Try::Accepted(request) => {
                    said.accepted = Some((request, tried));
                    return said;
                }
                Try::Again => said.in_vain += 1,
                Try::Unexpected(answer) => {
                    said.unexpected = Some(answer);
                    return said;
                }
            }
            tokio::time::sleep(Duration::from_millis(random.u64(50..300))).await;
        }
        said.unexpected = Some(format!("nothing but refusals for {UNACCEPTED:?}"));
        said
    }

    async fn attempt(&self, question: &str, random: &mut fastrand::Rng) -> Try {
        let path = format!("/api/v1/conversations/{}/messages", self.conversation);
        let call = self
            .client
            .at(&self.stage.any_server(random))
            .call(Method::POST, &path)
            .header("idempotency-key", question.replace([' ', ','], "-"))
            .timeout(ANSWER_TIMEOUT)
            .json(&json!({ "content": question }));
        let Ok(response) = call.send().await else { return Try::Again };
        let status = response.status();
        let Ok(text) = response.text().await else { return Try::Again };
        let body: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        match (status.as_u16(), body["request"]["id"].as_str()) {
            (202, Some(request)) => Try::Accepted(request.to_owned()),
            _ if body["retryable"] == true => Try::Again,
            _ => Try::Unexpected(format!("{status} {text}")),
        }
    }
}
