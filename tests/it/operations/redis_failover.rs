//! Redis by Sentinel and as a cluster: everything works there, and a master that dies under load costs a pause, but
//! no reply. What is printed is in docs/SCALING.md.

#![expect(clippy::print_stderr, reason = "what is measured is printed")]

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use futures::future::join_all;
use reqwest::{Method, header::SET_COOKIE};
use serde_json::json;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use troupe_core::{
    adapters::redis::{RedisHandle, RedisJobQueue, doctor, queue_name},
    config::Live,
    doctor::Verdict,
    ports::JobQueue,
};
use troupe_tests::{
    Client, Cluster, ClusterOptions, Socket,
    client::PASSWORD,
    provider::default_reply,
    redis_nodes::{ClusteredRedis, SentinelRedis},
    socket::TextFrame,
    transcript, within,
};

const USERS: usize = 4;
/// Between two messages of one user.
const PACE: Duration = Duration::from_millis(300);
/// How many messages are answered before the master dies, and how many that were sent after it did.
const ANSWERED_BEFORE: usize = 20;
const ANSWERED_AFTER: usize = 20;
const ME: &str = "/api/v1/auth/me";

fn options(redis: &str) -> ClusterOptions {
    ClusterOptions::default()
        .redis(redis)
        .set("TROUPE_RATE_LIMITS__ENABLED", "true")
        .set("TROUPE_RATE_LIMITS__ANONYMOUS", "4 per 1h")
        .set("TROUPE_QUEUE__REDISPATCH_AFTER", "2s")
}

/// Servers that count, and let through, what the load sends.
async fn for_load(redis: &str) -> Cluster {
    // Calls wait no longer for a Redis that is away, as they do not in production.
    let mut cluster = options(redis).servers(0).set("TROUPE_RATE_LIMITS__TIMEOUT", "250ms").start().await;
    let limits = "update tiers set calls_per_minute = 100000, chat_per_minute = 100000";
    sqlx::query(limits).execute(&cluster.db).await.unwrap();
    for _ in 0..2 {
        cluster.add_server().await;
    }
    cluster
}

#[tokio::test]
async fn with_sentinels_everything_works() {
    let redis = SentinelRedis::start().await;
    everything_works(&options(&redis.url()).start().await, 1).await;
}

#[tokio::test]
async fn in_a_cluster_everything_works() {
    let redis = ClusteredRedis::start().await;
    everything_works(&options(&redis.url()).start().await, 3).await;
    let keys = redis.keys().await;
    assert!(keys.iter().all(|keys| *keys > 0), "a master has nothing: {keys:?}");
}

/// The master that had the slot ends the subscriptions to it; nothing else tells a server of the change.
#[tokio::test]
async fn in_a_cluster_a_slot_that_moves_takes_its_listeners_along() {
    let redis = ClusteredRedis::start().await;
    let cluster = options(&redis.url()).start().await;
    let user = cluster.client(0).await;
    let socket = user.at(cluster.server(1)).socket().await;
    let conversation = user.conversation("demo").await;
    assert_eq!(user.ask(&conversation, "Before").await, default_reply("Before"));
    redis.move_slot_of(&format!("{{{}}}", user.user["id"].as_str().unwrap())).await;
    let hellos = |frames: &[TextFrame]| frames.iter().filter(|frame| frame.json["type"] == "hello").count();
    assert!(socket.comes_to(|frames| hellos(frames) >= 2).await, "the server has not noticed");
    let sent = user.send(&conversation, "After").await;
    socket.ended(&sent.request).await;
    assert_eq!(socket.transcript(&sent.request).completed(), default_reply("After"));
    cluster.assert_quiet().await;
}

/// What Redis is for: the queue, live events and their replay, sessions, rate limits, levels of queues.
async fn everything_works(cluster: &Cluster, masters: usize) {
    let users = join_all((0..USERS).map(|n| cluster.client(n % 2))).await;
    for (n, user) in users.iter().enumerate() {
        let there = user.at(cluster.server((n + 1) % 2)).socket().await;
        let conversation = user.conversation("demo").await;
        let question = format!("Hello {n}");
        let sent = user.send(&conversation, &question).await;
        there.ended(&sent.request).await;
        assert_eq!(there.transcript(&sent.request).completed(), default_reply(&question), "told by the other server");
        let events = user.events(&sent.request, None).await.rest().await;
        assert_eq!(events.last().map(|event| event.event.clone()).as_deref(), Some("reply.completed"));
    }

    let body = json!({"email": users[0].email, "password": PASSWORD, "session": true});
    let call = users[0].with_token("").call(Method::POST, "/api/v1/auth/login").json(&body);
    let signed_in = users[0].answer(call.header("sec-fetch-site", "same-origin")).await;
    let cookie = signed_in.headers[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
    for server in 0..2 {
        let browser = Client::anonymous(cluster.server(server));
        let call = browser.call(Method::GET, ME).header("cookie", &cookie).header("sec-fetch-site", "same-origin");
        assert_eq!(browser.answer(call).await.expect(200), users[0].user, "a session is known to every server");
    }

    let anonymous = [0, 1].map(|server| Client::anonymous(cluster.server(server)));
    for client in anonymous.iter().cycle().take(4) {
        client.get(ME).await.problem(401);
    }
    for client in &anonymous {
        assert_eq!(client.get(ME).await.problem(429)["code"], "rate_limited", "servers count together");
    }

    let redis = RedisHandle::connect(&Live::fixed(cluster.config())).await.unwrap();
    let levels = RedisJobQueue::new(redis.clone()).levels(&["free".to_owned(), "pro".to_owned()]).await.unwrap();
    let levels = levels.iter().map(|level| (level.pushed as usize, level.waiting)).collect::<Vec<_>>();
    assert_eq!(levels, [(USERS, 0), (0, 0)], "queues of several slots in one call");
    redis.close().await;

    let findings = doctor::examine(&Live::fixed(cluster.config())).await;
    let of = |what: &str| findings.iter().filter(|finding| finding.about.starts_with(what)).collect::<Vec<_>>();
    assert_eq!(of("Redis' eviction").len(), masters, "{findings:?}");
    assert_eq!(of("Redis' replicas").len(), masters, "{findings:?}");
    assert!(findings.iter().all(|finding| finding.verdict == Verdict::Well), "{findings:?}");
    cluster.assert_quiet().await;
}

#[tokio::test]
async fn when_the_master_of_sentinels_dies_under_load_every_reply_comes_once() {
    let mut redis = SentinelRedis::start().await;
    let cluster = for_load(&redis.url()).await;
    let load = Load::start(&cluster).await;
    load.answered(ANSWERED_BEFORE).await;
    redis.kill_master();
    load.finish("Sentinel", &cluster).await;
}

/// The one with the queue.
#[tokio::test]
async fn when_a_master_of_a_cluster_dies_under_load_every_reply_comes_once() {
    let mut redis = ClusteredRedis::start().await;
    let cluster = for_load(&redis.url()).await;
    let load = Load::start(&cluster).await;
    load.answered(ANSWERED_BEFORE).await;
    redis.kill_master_of(&queue_name(cluster.redis_prefix(), "free")).await;
    load.finish("Cluster", &cluster).await;
}

/// Users who send at a pace, whatever becomes of their messages, and listen at another server.
struct Load {
    users: Vec<Client>,
    sockets: Vec<Socket>,
    /// The conversations, in the order of the users.
    conversations: Vec<String>,
    senders: JoinSet<Vec<Sent>>,
    stopped: watch::Sender<bool>,
}

#[derive(Clone)]
struct Sent {
    user: usize,
    request: String,
    question: String,
    at: Instant,
}

impl Load {
    async fn start(cluster: &Cluster) -> Self {
        let users = join_all((0..USERS).map(|n| cluster.client(n % 2))).await;
        let there = users.iter().enumerate().map(|(n, user)| user.at(cluster.server((n + 1) % 2)));
        let sockets = join_all(there.map(|user| async move { user.socket().await })).await;
        let conversations = join_all(users.iter().map(|user| user.conversation("demo"))).await;
        let stopped = watch::Sender::new(false);
        let mut senders = JoinSet::new();
        for (n, (user, conversation)) in users.iter().zip(&conversations).enumerate() {
            senders.spawn(send_until(stopped.subscribe(), n, user.clone(), conversation.clone()));
        }
        Self { users, sockets, conversations, senders, stopped }
    }

    /// Waits until so many replies have ended since the beginning.
    async fn answered(&self, replies: usize) {
        let each = replies.div_ceil(USERS);
        for socket in &self.sockets {
            let ended = |event: &&serde_json::Value| transcript::is_terminal(event);
            let enough = socket.comes_to(|frames| frames.iter().map(|frame| &frame.json).filter(ended).count() >= each);
            assert!(enough.await, "{replies} replies did not end");
        }
    }

    /// After the death of the master: replies come again, and all that was accepted has one.
    async fn finish(self, kind: &str, cluster: &Cluster) {
        let died = Instant::now();
        let ended = |socket: &Socket| {
            let frames = socket.frames().into_iter();
            frames.filter(|frame| transcript::is_terminal(&frame.json)).map(|frame| frame.at).collect::<Vec<_>>()
        };
        let before: usize = self.sockets.iter().map(|socket| ended(socket).len()).sum();
        self.answered(before + ANSWERED_AFTER).await;
        self.stopped.send_replace(true);
        let sent = self.senders.join_all().await.concat();

        let mut shown: HashMap<usize, usize> = HashMap::new();
        let mut unheard = 0;
        for Sent { user, request, question, .. } in &sent {
            assert_eq!(self.users[*user].reply(request).await, default_reply(question));
            *shown.entry(*user).or_default() += 1;
            // What was sent and had ended before the server had its subscriptions back needs to be polled.
            let socket = &self.sockets[*user];
            if socket.events(request).is_empty() {
                unheard += 1;
            } else {
                socket.ended(request).await;
                assert_eq!(socket.transcript(request).completed(), default_reply(question));
            }
        }
        let (mut lost, mut doubled) = (0, 0);
        for (user, conversation) in self.conversations.iter().enumerate() {
            let count = "select count(*) from messages where role = 'assistant' and conversation_id";
            let replies = cluster.number(&format!("{count} = '{conversation}'")).await;
            let expected = shown[&user] as i64;
            lost += (expected - replies).max(0);
            doubled += (replies - expected).max(0);
        }
        let mut moments: Vec<_> = self.sockets.iter().flat_map(ended).collect();
        moments.sort();
        let silence = moments.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default();
        let meanwhile = sent.iter().filter(|sent| sent.at > died && sent.at < died + silence).count();
        eprintln!(
            "{kind}: {} messages accepted, {meanwhile} of them in the pause; lost {lost}, doubled {doubled}; \
             {unheard} to be polled; the longest silence {silence:.1?}",
            sent.len()
        );
        assert_eq!((lost, doubled), (0, 0));
        cluster.assert_quiet().await;
    }
}

/// Every message must be accepted: nothing that is accepted needs Redis.
async fn send_until(stopped: watch::Receiver<bool>, user: usize, client: Client, conversation: String) -> Vec<Sent> {
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sent = Vec::new();
    while !*stopped.borrow() {
        pace.tick().await;
        let question = format!("{user} asks {}", sent.len());
        let accepted = within("an accept", client.send(&conversation, &question)).await;
        sent.push(Sent { user, request: accepted.request, question, at: Instant::now() });
    }
    sent
}
