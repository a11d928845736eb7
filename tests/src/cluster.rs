//! A whole system of one test's own: databases, the scripted provider, servers and workers.

use std::time::{Duration, Instant};

use base64::{
    Engine,
    prelude::{BASE64_STANDARD_NO_PAD as STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD},
};
use futures::future::join_all;
use serde_json::Value;
use sqlx::{PgPool, Row};
use tokio::{
    sync::Mutex,
    time::{Interval, MissedTickBehavior, interval},
};
use troupe_core::config::Config;
use troupe_engines::Shutdown;

use crate::{
    Client, ClusterOptions, Process, Relay, ReplicatedPostgres, Replication, ScriptedProvider, Signal,
    in_process::{Tier, stray_alarms},
    leaks::{DATABASE_PASSWORD, REDIS_PASSWORD},
    stores::{Addresses, Stores},
    within,
};

/// Tests look again and again until something is so: not more often than this, or they take the processor from it.
const PACE: Duration = Duration::from_millis(5);

fn pace() -> Mutex<Interval> {
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Mutex::new(pace)
}

/// This PostgreSQL asks for none, so it takes any.
fn with_password(url: &str) -> String {
    url.replacen('@', &format!(":{DATABASE_PASSWORD}@"), 1)
}

/// So does this Redis.
fn redis_with_password(url: &str) -> String {
    let socket = url.strip_prefix("redis+unix://").expect("a Unix socket");
    format!("redis+unix://default:{REDIS_PASSWORD}@localhost{socket}")
}

/// Everything of it is stopped when it is dropped; if the test has failed, every log is shown.
pub struct Cluster {
    pub servers: Vec<Process>,
    pub workers: Vec<Process>,
    addresses: Vec<String>,
    pub provider: ScriptedProvider,
    pub db: PgPool,
    redis_client: redis::Client,
    redis_prefix: String,
    pace: Mutex<Interval>,
    environment: Vec<(String, String)>,
    processes: bool,
    started: usize,
    relay: Option<Relay>,
    replicated: Option<ReplicatedPostgres>,
    /// After the processes, so that they are stopped before what they stand on.
    stores: Stores,
}

impl Cluster {
    pub async fn start(options: ClusterOptions) -> Self {
        troupe_core::lifecycle::install_tls();
        let began = Instant::now();
        let (stores, provider) = tokio::join!(Stores::open(options.own_engines), ScriptedProvider::start());
        let stores_open = began.elapsed();
        let Addresses { mut postgres, redis, redis_prefix } = stores.addresses();
        let replicated = match options.replication {
            Some(replication) => Some(ReplicatedPostgres::start(replication).await),
            None => None,
        };
        if let Some(replicated) = &replicated {
            postgres = replicated.primary_url();
        }
        let relay = if options.relay { Some(Relay::to_postgres(&postgres).await) } else { None };
        let address = match (&relay, &replicated) {
            (relay, Some(replicated)) => replicated.url(relay.as_ref()),
            (Some(relay), None) => relay.url().to_owned(),
            (None, None) => postgres.clone(),
        };
        let db = PgPool::connect_lazy(&postgres).expect("the address of PostgreSQL");
        let redis_client = redis::Client::open(&*redis).expect("the address of Redis");
        let mut environment = options.environment;
        environment.push(("DATABASE_URL".to_owned(), with_password(&address)));
        if let (Some(Replication::Read), Some(replicated)) = (options.replication, &replicated) {
            environment.push(("TROUPE_DATABASE__READ_URL".to_owned(), with_password(&replicated.standby_url())));
        }
        environment.push(("REDIS_URL".to_owned(), options.redis.unwrap_or_else(|| redis_with_password(&redis))));
        environment.push(("TROUPE_REDIS__PREFIX".to_owned(), redis_prefix.clone()));
        environment.push(("OPENAI_BASE_URL".to_owned(), provider.base_url()));
        let mut cluster = Self {
            servers: Vec::new(),
            workers: Vec::new(),
            addresses: Vec::new(),
            provider,
            db,
            redis_client,
            redis_prefix,
            pace: pace(),
            environment,
            processes: options.processes,
            started: 0,
            relay,
            replicated,
            stores,
        };
        cluster.launch(options.servers, options.workers).await;
        eprintln!("the cluster is up: stores after {stores_open:?}, processes after {:?}", began.elapsed());
        cluster
    }

    /// Starts so many more, all at once, and waits until they work.
    async fn launch(&mut self, servers: usize, workers: usize) {
        let servers: Vec<_> = (0..servers).map(|_| self.process(Tier::Server)).collect();
        let workers: Vec<_> = (0..workers).map(|_| self.process(Tier::Worker)).collect();
        let (first_server, first_worker) = (self.servers.len(), self.workers.len());
        self.servers.extend(servers);
        self.workers.extend(workers);
        let listening = join_all(self.servers[first_server..].iter().map(|server| server.logged("listening"))).await;
        join_all(self.workers[first_worker..].iter().map(|worker| worker.logged("worker ready"))).await;
        let address = |entry: &Value| entry["fields"]["address"].as_str().map(str::to_owned);
        let addresses = listening.iter().map(|entry| format!("http://{}", address(entry).expect("an address")));
        self.addresses.extend(addresses);
    }

    fn process(&mut self, tier: Tier) -> Process {
        self.started += 1;
        let name = format!("{} {}", tier.name(), self.started);
        if self.processes {
            Process::start(tier.binary(), name, &[], &self.environment)
        } else {
            Process::start_within(tier, name, &self.environment)
        }
    }

    /// Starts one more server; its number is the new last one.
    pub async fn add_server(&mut self) -> usize {
        self.launch(1, 0).await;
        self.servers.len() - 1
    }

    /// Starts one more worker; its number is the new last one.
    pub async fn add_worker(&mut self) -> usize {
        self.add_workers(1).await;
        self.workers.len() - 1
    }

    /// Starts so many more workers, all at once.
    pub async fn add_workers(&mut self, workers: usize) {
        self.launch(0, workers).await;
    }

    /// A setting of every process that is started from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// The same for a setting that they are not to have; returns what it was.
    pub fn unset(&mut self, name: &str) -> String {
        let place = self.environment.iter().position(|(known, _)| known == name);
        self.environment.swap_remove(place.unwrap_or_else(|| panic!("{name} is not set"))).1
    }

    /// The base URL of a server.
    pub fn server(&self, number: usize) -> &str {
        &self.addresses[number]
    }

    /// What every process is told, for one that a test starts itself.
    pub fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    /// A new user, who calls this server.
    pub async fn client(&self, server: usize) -> Client {
        Client::register(self.server(server)).await
    }

    pub async fn redis(&self, command: &[&str]) -> redis::Value {
        self.pace.lock().await.tick().await;
        let run = async {
            let mut connection = self.redis_client.get_multiplexed_async_connection().await?;
            let mut query = redis::cmd(command[0]);
            query.arg(&command[1..]);
            query.query_async(&mut connection).await
        };
        within("a command to Redis", run)
            .await
            .unwrap_or_else(|error: redis::RedisError| panic!("{command:?}: {error}"))
    }

    /// Makes Redis forget what was said in a request, as it does when the log has expired.
    pub async fn forget_log(&self, request: &str) {
        let log = self.log_of(request).await;
        self.redis(&["DEL", &log]).await;
    }

    /// The key of a request's log, which must exist.
    pub async fn log_of(&self, request: &str) -> String {
        let keys = self.redis(&["KEYS", &format!("*{request}*")]).await;
        let keys: Vec<String> = redis::from_redis_value(keys).expect("keys");
        let mut logs = keys.iter().filter(|key| key.contains(":log:"));
        match (logs.next(), logs.next()) {
            (Some(log), None) => log.clone(),
            _ => panic!("no single log of {request} among {keys:?}"),
        }
    }

    /// The rows of a table.
    pub async fn count(&self, table: &str) -> i64 {
        self.number(&format!("select count(*) from {table}")).await
    }

    /// The number that a statement of the test's own gives.
    pub async fn number(&self, statement: &str) -> i64 {
        self.pace.lock().await.tick().await;
        let row =
            within("a statement", sqlx::query(sqlx::AssertSqlSafe(statement.to_owned())).fetch_one(&self.db)).await;
        row.unwrap_or_else(|error| panic!("{statement}: {error}")).get(0)
    }

    /// How each attempt at a request ended, in order.
    pub async fn attempts_of(&self, request: &str) -> Vec<String> {
        let outcomes =
            sqlx::query_scalar("select outcome from attempt_history where request_id = $1::uuid order by number");
        outcomes.bind(request).fetch_all(&self.db).await.expect("the attempts of a request")
    }

    /// The process that writes the reply to a request.
    pub async fn worker_of(&self, request: &str) -> usize {
        let name: Option<String> = sqlx::query_scalar("select worker from requests where id = $1::uuid")
            .bind(request)
            .fetch_one(&self.db)
            .await
            .expect("a request");
        let name = name.expect("a request that is being answered");
        self.worker_called(&name).unwrap_or_else(|| panic!("no worker is called {name}"))
    }

    /// The process of a worker, by the name that it gave itself.
    pub fn worker_called(&self, name: &str) -> Option<usize> {
        self.workers.iter().position(|process| process.lines().iter().any(|line| line.contains(name)))
    }

    /// The numbers of the servers that have not ended.
    pub fn live_servers(&self) -> Vec<usize> {
        (0..self.servers.len()).filter(|&number| self.servers[number].lives()).collect()
    }

    /// The numbers of the workers that have not ended.
    pub fn live_workers(&self) -> Vec<usize> {
        (0..self.workers.len()).filter(|&number| self.workers[number].lives()).collect()
    }

    /// The first log entry of any worker, logged by now or later, for which this holds.
    pub async fn worker_logged(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let waits = self.workers.iter().map(|worker| Box::pin(worker.logged_where(what, &holds)));
        futures::future::select_all(waits).await.0
    }

    /// Every line that a worker has logged with these words.
    pub fn worker_log(&self, words: &str) -> Vec<String> {
        let lines = self.workers.iter().flat_map(Process::lines);
        lines.filter(|line| line.contains(words)).collect()
    }

    /// What the names of keys and channels in Redis begin with.
    pub fn redis_prefix(&self) -> &str {
        &self.redis_prefix
    }

    /// Freezes Redis, or lets it go on.
    pub fn freeze_redis(&self, signal: Signal) {
        signal.send(self.stores.own().redis.pid()).expect("a signal to Redis");
    }

    /// Redis ends, and its address leads nowhere.
    pub async fn stop_redis(&mut self) {
        self.stores.own_mut().stop_redis().await;
    }

    /// Redis ends and comes back at the same address, with nothing in it.
    pub async fn restart_redis(&mut self) {
        self.stores.own_mut().restart_redis().await;
    }

    /// PostgreSQL ends, and its address leads nowhere.
    pub async fn stop_postgres(&mut self) {
        self.stores.own_mut().stop_postgres().await;
    }

    /// PostgreSQL ends and comes back at the same address, with everything that was committed.
    pub async fn restart_postgres(&mut self, shutdown: Shutdown) {
        self.stores.own_mut().restart_postgres(shutdown).await;
    }

    /// What servers and workers reach PostgreSQL by.
    pub fn relay(&self) -> &Relay {
        self.relay.as_ref().expect("ClusterOptions::postgres_behind_relay()")
    }

    pub fn replicated(&self) -> &ReplicatedPostgres {
        self.replicated.as_ref().expect("ClusterOptions::replicated()")
    }

    /// The primary is killed, or cut off where a relay is before it, and its standby promoted.
    pub async fn fail_over(&mut self) {
        let replicated = self.replicated.as_mut().expect("ClusterOptions::replicated()");
        match &self.relay {
            Some(relay) => relay.cut(),
            None => replicated.kill_primary(),
        }
        replicated.promote_standby().await;
        self.db = PgPool::connect_lazy(&replicated.standby_url()).expect("the address of PostgreSQL");
    }

    pub fn kill_standby(&mut self) {
        self.replicated.as_mut().expect("ClusterOptions::replicated()").kill_standby();
    }

    /// The configuration that every process of it has.
    pub fn config(&self) -> Config {
        Config::from_sources(None, self.environment.clone()).expect("a sound configuration")
    }

    /// The lines that no healthy run has.
    pub fn alarms(&self) -> Vec<String> {
        self.servers.iter().chain(&self.workers).flat_map(Process::alarms).chain(stray_alarms()).collect()
    }

    /// Every line of every process.
    pub fn logs(&self) -> String {
        let lines = |process: &Process| {
            let lines: Vec<_> = process.lines().iter().map(|line| format!("{}: {line}\n", process.name)).collect();
            lines.concat()
        };
        self.servers.iter().chain(&self.workers).map(lines).collect()
    }

    /// What must hold after every test: each request is final, with a reply if it is completed and none if it failed,
    /// and an attempt's record for each of its attempts, and nobody logged an error.
    pub async fn assert_quiet(&self) {
        self.assert_quiet_but_for(&[]).await;
    }

    /// The same, where the test itself has provoked errors: those that contain one of these.
    pub async fn assert_quiet_but_for(&self, expected: &[&str]) {
        let open = self.number("select count(*) from requests where finished_at is null").await;
        assert_eq!(open, 0, "requests are not final");
        let wrong = self
            .number(
                "select count(*) from requests r where status <> 'cancelled' and (status = 'completed') <> exists \
                 (select 1 from messages m where m.request_id = r.id and m.role = 'assistant')",
            )
            .await;
        assert_eq!(wrong, 0, "requests are completed without a reply, or have a reply and are not completed");
        let unrecorded = self
            .number(
                "select count(*) from requests r where attempt <> \
                 (select count(*) from attempt_history a where a.request_id = r.id)",
            )
            .await;
        assert_eq!(unrecorded, 0, "requests have attempts that are not recorded");
        self.assert_no_signing_key_told().await;
        let alarms: Vec<_> =
            self.alarms().into_iter().filter(|line| !expected.iter().any(|known| line.contains(known))).collect();
        assert!(alarms.is_empty(), "errors were logged:\n{}", alarms.join("\n"));
    }

    /// What signs access tokens was made by a server, and is nowhere but in the database.
    async fn assert_no_signing_key_told(&self) {
        let secrets = sqlx::query_scalar::<_, Vec<u8>>("select secret from signing_keys").fetch_all(&self.db).await;
        let logs = self.logs();
        for secret in secrets.expect("the signing keys") {
            let hex = secret.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
            let listed = format!("{secret:?}").trim_matches(['[', ']']).to_owned();
            let [base64, url_safe] = [STANDARD_NO_PAD.encode(&secret), URL_SAFE_NO_PAD.encode(&secret)];
            for shown in [hex, listed, base64, url_safe] {
                assert!(!logs.contains(&shown), "a process has written the key that signs access tokens");
            }
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- what the processes logged ----\n{}---- end of the logs ----", self.logs());
        }
    }
}
