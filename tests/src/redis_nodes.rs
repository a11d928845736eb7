//! Redis with replicas, of one test's own: a master and a replica that three sentinels watch, or a cluster of three
//! masters with a replica each; and one by TLS.
//!
//! Real processes on loopback, on ports that were free a moment ago, in a directory of their own. They end with the
//! test, also where that is killed. Failovers begin after a second or so, not after the many of production.

use std::{
    collections::HashMap,
    fs,
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use futures::future::join_all;
use redis::{FromRedisValue, RedisResult, aio::MultiplexedConnection};
use tempfile::TempDir;
use tokio::time::{MissedTickBehavior, interval};

use crate::{engines::Watchdog, leaks::REDIS_PASSWORD, within};

const HOST: &str = "127.0.0.1";
const SERVICE: &str = "troupe";
const SENTINELS: usize = 3;
const MASTERS: usize = 3;
/// The last slot of each master but the last ends where the next one's begin.
const SLOTS: [(u16, u16); MASTERS] = [(0, 5_460), (5_461, 10_922), (10_923, 16_383)];
/// Another process may take a port between our look at it and Redis' start.
const MAX_STARTS: usize = 5;
const PACE: Duration = Duration::from_millis(20);
/// For what is asked again until it is so.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// A master with a replica, and three sentinels, which have no password.
pub struct SentinelRedis {
    nodes: Nodes,
    sentinels: Vec<u16>,
}

/// Three masters, and a replica for each.
pub struct ClusteredRedis {
    nodes: Nodes,
}

/// One Redis alone, by TLS.
pub struct TlsRedis {
    nodes: Nodes,
}

impl TlsRedis {
    /// With a certificate for 127.0.0.1; clients need none.
    pub async fn start(certificate: &Path, key: &Path) -> Self {
        let mut nodes = Nodes::new();
        nodes
            .start(|command, _, tls_port| {
                command.args(["--requirepass", REDIS_PASSWORD, "--save", "", "--maxmemory-policy", "noeviction"]);
                command.args(["--tls-port", &tls_port.to_string(), "--tls-auth-clients", "no"]);
                command.arg("--tls-cert-file").arg(certificate).arg("--tls-key-file").arg(key);
                command.arg("--tls-ca-cert-file").arg(certificate);
            })
            .await;
        Self { nodes }
    }

    pub fn url(&self) -> String {
        format!("rediss://default:{REDIS_PASSWORD}@{HOST}:{}", self.nodes.processes[0].second_port)
    }
}

impl SentinelRedis {
    pub async fn start() -> Self {
        let mut nodes = Nodes::new();
        let master = nodes.add(&[]).await;
        let port = nodes.port(master).to_string();
        let replica = nodes.add(&["--replicaof", HOST, &port]).await;
        until("a replica in step", async || nodes.follows(replica).await).await;
        let mut sentinels = Vec::with_capacity(SENTINELS);
        for _ in 0..SENTINELS {
            let sentinel = nodes.add_sentinel(&port).await;
            sentinels.push(nodes.port(sentinel));
        }
        for sentinel in replica + 1..=replica + SENTINELS {
            until("sentinels that know each other", async || {
                let known = nodes.ask::<HashMap<String, String>>(sentinel, &["SENTINEL", "MASTER", SERVICE]).await;
                let is = |name: &str, count: usize| known.as_ref()?.get(name)?.parse().ok().map(|n: usize| n == count);
                is("num-slaves", 1) == Some(true) && is("num-other-sentinels", SENTINELS - 1) == Some(true)
            })
            .await;
        }
        Self { nodes, sentinels }
    }

    pub fn url(&self) -> String {
        let [first, others @ ..] = &*self.sentinels else { panic!("no sentinels") };
        let others: Vec<_> = others.iter().map(|port| format!("&node={HOST}:{port}")).collect();
        let credentials = format!("default:{REDIS_PASSWORD}");
        format!("redis-sentinel://{credentials}@{HOST}:{first}?sentinelServiceName={SERVICE}{}", others.concat())
    }

    /// The master dies without a word.
    pub fn kill_master(&mut self) {
        self.nodes.kill(0);
    }
}

impl ClusteredRedis {
    pub async fn start() -> Self {
        let mut nodes = Nodes::new();
        for _ in 0..MASTERS * 2 {
            nodes.add_to_cluster().await;
        }
        let all = 0..MASTERS * 2;
        let mut ids: Vec<String> = Vec::with_capacity(MASTERS * 2);
        for node in all.clone() {
            ids.push(nodes.command(node, &["CLUSTER", "MYID"]).await);
        }
        for (master, (first, last)) in SLOTS.iter().enumerate() {
            let (first, last) = (first.to_string(), last.to_string());
            nodes.command::<()>(master, &["CLUSTER", "ADDSLOTSRANGE", &first, &last]).await;
        }
        for node in all.clone() {
            let epoch = (node + 1).to_string();
            nodes.command::<()>(node, &["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).await;
        }
        // Each meets each, instead of hearing of it later from others.
        for met in all.clone() {
            let [port, bus] = [nodes.port(met), nodes.processes[met].second_port].map(|port| port.to_string());
            for node in 0..met {
                nodes.command::<()>(node, &["CLUSTER", "MEET", HOST, &port, &bus]).await;
            }
        }
        for replica in MASTERS..MASTERS * 2 {
            let replicate = ["CLUSTER", "REPLICATE", &ids[replica - MASTERS]];
            until("a master that its replica knows", async || nodes.ask::<()>(replica, &replicate).await.is_some())
                .await;
        }
        for node in all {
            until("a cluster that is whole", async || {
                let state: Option<String> = nodes.ask(node, &["CLUSTER", "INFO"]).await;
                let slots: Option<Vec<Vec<redis::Value>>> = nodes.ask(node, &["CLUSTER", "SLOTS"]).await;
                // The range's ends, its master, its replica.
                let served =
                    slots.is_some_and(|slots| slots.len() == MASTERS && slots.iter().all(|range| range.len() == 4));
                state.is_some_and(|state| state.contains("cluster_state:ok")) && served
            })
            .await;
        }
        for replica in MASTERS..MASTERS * 2 {
            until("a replica in step", async || nodes.follows(replica).await).await;
        }
        Self { nodes }
    }

    pub fn url(&self) -> String {
        let others: Vec<_> = (1..MASTERS).map(|node| format!("node={HOST}:{}", self.nodes.port(node))).collect();
        let first = self.nodes.port(0);
        format!("redis-cluster://default:{REDIS_PASSWORD}@{HOST}:{first}?{}", others.join("&"))
    }

    /// The master that has this key dies without a word.
    pub async fn kill_master_of(&mut self, key: &str) {
        let (_, master) = self.slot_of(key).await;
        self.nodes.kill(master);
    }

    /// Another master gets the slot of this key, with all that is in it.
    pub async fn move_slot_of(&self, key: &str) {
        let nodes = &self.nodes;
        let (number, from) = self.slot_of(key).await;
        let (slot, to) = (number.to_string(), (from + 1) % MASTERS);
        let [from_id, to_id]: [String; 2] =
            [nodes.command(from, &["CLUSTER", "MYID"]).await, nodes.command(to, &["CLUSTER", "MYID"]).await];
        nodes.command::<()>(to, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]).await;
        nodes.command::<()>(from, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]).await;
        let port = nodes.port(to).to_string();
        let migrate = ["MIGRATE", HOST, &port, "", "0", "5000", "AUTH", REDIS_PASSWORD, "KEYS"];
        loop {
            let keys: Vec<String> = nodes.command(from, &["CLUSTER", "GETKEYSINSLOT", &slot, "100"]).await;
            if keys.is_empty() {
                break;
            }
            let words: Vec<_> = migrate.into_iter().chain(keys.iter().map(String::as_str)).collect();
            nodes.command::<redis::Value>(from, &words).await;
        }
        for node in [to, from, (to + 1) % MASTERS] {
            nodes.command::<()>(node, &["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]).await;
        }
    }

    /// A key's slot, and the master that has had it from the start.
    async fn slot_of(&self, key: &str) -> (u16, usize) {
        let slot: u16 = self.nodes.command(0, &["CLUSTER", "KEYSLOT", key]).await;
        let master = SLOTS.iter().position(|(first, last)| (first..=last).contains(&&slot));
        (slot, master.expect("a slot"))
    }

    /// How many keys each master has.
    pub async fn keys(&self) -> Vec<u64> {
        let masters = 0..MASTERS;
        join_all(masters.map(|master| async move { self.nodes.command(master, &["DBSIZE"]).await })).await
    }
}

/// Waits until something is so, without taking the processor from it.
async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    within(what, async {
        while !holds().await {
            pace.tick().await;
        }
    })
    .await;
}

/// In the order in which they are dropped.
struct Nodes {
    processes: Vec<Node>,
    watchdog: Watchdog,
    directory: TempDir,
}

impl Nodes {
    fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("troupe-redis-").tempdir().expect("a directory for Redis");
        let watchdog = Watchdog::start(directory.path());
        Self { processes: Vec::new(), watchdog, directory }
    }

    fn port(&self, node: usize) -> u16 {
        self.processes[node].port
    }

    async fn add(&mut self, arguments: &[&str]) -> usize {
        self.start(|command, _, _| {
            command.args(["--masterauth", REDIS_PASSWORD, "--requirepass", REDIS_PASSWORD]);
            command.args(["--save", "", "--maxmemory-policy", "noeviction", "--repl-diskless-sync-delay", "0"]);
            command.args(arguments);
        })
        .await
    }

    async fn add_to_cluster(&mut self) -> usize {
        self.start(|command, _, second_port| {
            command.args(["--masterauth", REDIS_PASSWORD, "--requirepass", REDIS_PASSWORD]);
            command.args(["--save", "", "--maxmemory-policy", "noeviction", "--repl-diskless-sync-delay", "0"]);
            command.args(["--cluster-enabled", "yes", "--cluster-port", &second_port.to_string()]);
            // A replica that lost its master while it was busy takes over all the same.
            command.args(["--cluster-node-timeout", "1500", "--cluster-replica-validity-factor", "0"]);
        })
        .await
    }

    async fn add_sentinel(&mut self, master: &str) -> usize {
        let settings = format!(
            "sentinel monitor {SERVICE} {HOST} {master} 2\nsentinel auth-pass {SERVICE} {REDIS_PASSWORD}\n\
             sentinel down-after-milliseconds {SERVICE} 1000\nsentinel failover-timeout {SERVICE} 6000\n"
        );
        self.start(|command, directory, _| {
            // A sentinel keeps what it learns in the file.
            let file = directory.join("sentinel.conf");
            fs::write(&file, &settings).expect("the settings of a sentinel");
            command.arg(file).args(["--sentinel", "--protected-mode", "no"]);
        })
        .await
    }

    async fn start(&mut self, arguments: impl Fn(&mut Command, &Path, u16)) -> usize {
        let program = troupe_engines::redis_program().unwrap_or_else(|error| panic!("{error}"));
        for start in 0..MAX_STARTS {
            let [port, second_port] = free_ports();
            let directory = self.directory.path().join(format!("{}-{start}", self.processes.len()));
            fs::create_dir(&directory).expect("a directory for a node");
            let mut command = Command::new(&program);
            arguments(&mut command, &directory, second_port);
            command.args(["--port", &port.to_string(), "--bind", HOST, "--daemonize", "no"]);
            let log = fs::File::create(directory.join("log")).expect("a log");
            command.current_dir(&directory).stdin(Stdio::null()).stdout(log).stderr(Stdio::null());
            let process = command.spawn().unwrap_or_else(|error| panic!("start {}: {error}", program.display()));
            let sentinel = directory.join("sentinel.conf").exists();
            let password = if sentinel { String::new() } else { format!(":{REDIS_PASSWORD}@") };
            let client = redis::Client::open(format!("redis://{password}{HOST}:{port}/")).expect("an address");
            self.processes.push(Node { process, port, second_port, client });
            let ids: Vec<_> = self.processes.iter().map(|node| ("KILL", node.process.id())).collect();
            self.watchdog.watch(&ids);
            let node = self.processes.len() - 1;
            if self.answers(node).await {
                return node;
            }
            let log = fs::read_to_string(directory.join("log")).unwrap_or_default();
            eprintln!("a Redis did not start: {log}");
            self.processes.pop();
        }
        panic!("no Redis started within {MAX_STARTS} tries")
    }

    /// Whether this process answers at its port, before it has ended.
    async fn answers(&mut self, node: usize) -> bool {
        let mut pace = interval(PACE);
        let id = format!("process_id:{}\r", self.processes[node].process.id());
        within("the start of a Redis", async {
            loop {
                if self.ask::<String>(node, &["INFO", "server"]).await.is_some_and(|info| info.contains(&id)) {
                    return true;
                }
                if self.processes[node].process.try_wait().expect("the state of a process").is_some() {
                    return false;
                }
                pace.tick().await;
            }
        })
        .await
    }

    /// Whether a replica has all that its master has.
    async fn follows(&self, replica: usize) -> bool {
        let info: Option<String> = self.ask(replica, &["INFO", "replication"]).await;
        info.is_some_and(|info| info.contains("master_link_status:up"))
    }

    /// `None` where it does not answer, or refuses.
    async fn ask<T: FromRedisValue>(&self, node: usize, words: &[&str]) -> Option<T> {
        tokio::time::timeout(ANSWER_TIMEOUT, self.processes[node].command(words)).await.ok()?.ok()
    }

    async fn command<T: FromRedisValue>(&self, node: usize, words: &[&str]) -> T {
        let answer = within("an answer of Redis", self.processes[node].command(words)).await;
        answer.unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    fn kill(&mut self, node: usize) {
        let process = &mut self.processes[node].process;
        process.kill().and_then(|()| process.wait()).unwrap_or_else(|error| panic!("kill a Redis: {error}"));
    }
}

struct Node {
    process: Child,
    port: u16,
    /// Of the cluster's bus, or of TLS.
    second_port: u16,
    client: redis::Client,
}

impl Node {
    async fn command<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        let mut connection: MultiplexedConnection = self.client.get_multiplexed_async_connection().await?;
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]).query_async(&mut connection).await
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

/// Two ports that nothing listens at; both are held until both are known.
fn free_ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("its address").port())
}
