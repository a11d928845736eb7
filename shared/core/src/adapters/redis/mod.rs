//! Redis: live events and their logs ([`RedisEventBus`]), the dispatch of jobs ([`RedisJobQueue`]), browsers'
//! sessions ([`RedisSessionStore`]), caches ([`RedisCache`]), rate limits ([`RedisLimiter`]).
//!
//! Redis may lose everything at any moment; it must not be the only copy of anything.

mod cache;
pub mod doctor;
mod event_bus;
mod job_queue;
mod limiter;
pub mod metrics;
mod provider_board;
mod queue_connection;
mod session_store;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use fred::{
    clients::{Client, Pool, SubscriberClient, WithOptions},
    error::{Error, ErrorKind},
    interfaces::{ClientLike, ClusterInterface, EventInterface, PubsubInterface},
    types::{
        Builder, ClusterHash, CustomCommand, FromValue, InfoKind, Value,
        config::{Config as ClientConfig, CredentialProvider, Options, ReconnectPolicy, Server},
        scripts::Script,
    },
};
use futures::future::join_all;
use parking_lot::Mutex;
use secrecy::ExposeSecret;
use tokio::sync::broadcast::error::RecvError;

pub use cache::RedisCache;
pub use event_bus::RedisEventBus;
pub use job_queue::{RedisJobQueue, finished_counter, queue_name, wake_channel};
pub use limiter::RedisLimiter;
pub use provider_board::RedisProviderBoard;
pub use queue_connection::QueueConnection;
pub use session_store::RedisSessionStore;

use crate::{
    config::{Live, LiveSecret},
    ports::PortError,
};

/// A server's subscriptions share one broadcast channel; fred's default of 32 is less than a burst of one reply. fred
/// allocates the capacity at once, so only subscribers have so much.
const BROADCAST_CAPACITY: usize = 8_192;

const RESUBSCRIBE_PAUSE: Duration = Duration::from_millis(200);
/// The timeout of commands that fail fast.
const MAX_FAIL_FAST_TIMEOUT: Duration = Duration::from_secs(2);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The current credentials, for each new connection.
#[derive(Debug)]
struct LiveCredentials(LiveSecret);

#[async_trait]
impl CredentialProvider for LiveCredentials {
    async fn fetch(&self, _server: Option<&Server>) -> Result<(Option<String>, Option<String>), Error> {
        let url = self.0.now().unwrap_or_default();
        let client = ClientConfig::from_url(url.expose_secret())?;
        Ok((client.username, client.password))
    }
}

/// A connection pool, and the detected features of the server.
#[derive(Clone)]
pub struct RedisHandle {
    pool: Pool,
    subscribers: Arc<Mutex<Vec<SubscriberClient>>>,
    queue_clients: Arc<Mutex<Vec<Client>>>,
    builder: Builder,
    prefix: String,
    fail_fast_timeout: Duration,
    /// Since Redis 7 (sharded pub/sub): a channel's messages go to its own shard only.
    sharded: bool,
}

impl RedisHandle {
    /// Connects and waits until Redis answers.
    pub async fn connect(live: &Live) -> Result<Self, PortError> {
        let config = &live.now().redis;
        let failed = |e: Error| PortError { what: "connect to Redis", why: e.to_string() };
        let url = config.url.as_ref().ok_or_else(|| PortError {
            what: "connect to Redis",
            why: "REDIS_URL (redis.url) is not set".to_owned(),
        })?;
        let mut client = ClientConfig::from_url(url.expose_secret()).map_err(failed)?;
        // fred would show a provider's credentials to sentinels as well, which have their own, or none.
        if client.password.is_some() && !client.server.is_sentinel() {
            client.credential_provider =
                Some(Arc::new(LiveCredentials(live.secret(|config| config.redis.url.clone()))));
        }
        let timeout = config.command_timeout;
        let mut builder = Builder::from_config(client);
        builder
            .with_performance_config(|c| {
                c.default_command_timeout = timeout;
            })
            .with_connection_config(|c| {
                c.connection_timeout = timeout;
                c.internal_command_timeout = timeout;
                c.max_command_attempts = 2;
                c.unresponsive.max_timeout = Some(timeout * 2);
                c.tcp.nodelay = Some(true);
            })
            .set_policy(ReconnectPolicy::new_exponential(0, 50, 2_000, 2));
        let pool = builder.build_pool(config.connections).map_err(failed)?;
        pool.init().await.map_err(failed)?;
        let info: String = pool.info(Some(InfoKind::Server)).await.map_err(failed)?;
        for (node, master) in masters(pool.next()) {
            let memory: String = master.info(Some(InfoKind::Memory)).await.map_err(failed)?;
            if let Some(policy) = field(&memory, "maxmemory_policy")
                && policy != "noeviction"
            {
                tracing::warn!(
                    policy,
                    node,
                    "this Redis evicts keys when it is full: set maxmemory-policy to noeviction"
                );
            }
        }
        let major = field(&info, "redis_version").and_then(|v| v.split('.').next()?.parse::<u32>().ok());
        metrics::watch(&pool);
        Ok(Self {
            pool,
            subscribers: Arc::default(),
            queue_clients: Arc::default(),
            builder,
            prefix: config.prefix.clone(),
            fail_fast_timeout: timeout.min(MAX_FAIL_FAST_TIMEOUT),
            sharded: major.is_some_and(|major| major >= 7),
        })
    }

    /// A separate, connected client for subscriptions.
    async fn subscriber(&self) -> Result<SubscriberClient, Error> {
        let mut builder = self.builder.clone();
        builder.with_performance_config(|c| c.broadcast_channel_capacity = BROADCAST_CAPACITY);
        let subscriber = builder.build_subscriber_client()?;
        subscriber.init().await?;
        self.subscribers.lock().push(subscriber.clone());
        Ok(subscriber)
    }

    /// A separate connection for the consumer of a queue: its commands wait behind no others.
    pub async fn queue_connection(&self, queue: &str) -> Result<QueueConnection, PortError> {
        let failed = |e: Error| PortError { what: "connect to Redis for a queue", why: e.to_string() };
        let client = self.builder.build().map_err(failed)?;
        client.init().await.map_err(failed)?;
        self.queue_clients.lock().push(client.clone());
        let timeout = self.builder.get_performance_config().default_command_timeout;
        Ok(QueueConnection::new(client, queue, timeout))
    }

    /// Resubscribes after a reconnect. fred's own method fails without patterns: it sends a command without arguments.
    /// Retries until it succeeds: a subscriber without subscriptions would silently receive nothing.
    async fn resubscribe(&self, client: &SubscriberClient) {
        let again = async || {
            let channels: Vec<_> = client.tracked_channels().into_iter().collect();
            if !channels.is_empty() {
                client.subscribe(channels).await?;
            }
            // In a cluster, a call may have channels of one slot only.
            let chunk_size = if self.is_clustered() { 1 } else { 1_000 };
            let sharded: Vec<_> = client.tracked_shard_channels().into_iter().collect();
            for channels in sharded.chunks(chunk_size) {
                client.ssubscribe(channels.to_vec()).await?;
            }
            Ok::<(), Error>(())
        };
        while let Err(error) = again().await {
            tracing::warn!(%error, "could not subscribe again after a reconnect; trying on");
            tokio::time::sleep(RESUBSCRIBE_PAUSE).await;
        }
    }

    fn client(&self) -> &Client {
        self.pool.next()
    }

    fn is_clustered(&self) -> bool {
        self.builder.get_config().is_some_and(|config| config.server.is_clustered())
    }

    /// Whether a failover is possible: with Sentinel or a cluster.
    fn has_replicas(&self) -> bool {
        self.is_clustered() || self.builder.get_config().is_some_and(|config| config.server.is_sentinel())
    }

    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Messages of a channel of ours; `None` where some may have been missed.
    pub async fn announcements(
        &self,
        channel: &str,
    ) -> Result<impl futures::Stream<Item = Option<String>> + Send + Unpin + 'static, PortError> {
        let failed = |e: Error| PortError { what: "listen for announcements", why: e.to_string() };
        let subscriber = self.subscriber().await.map_err(failed)?;
        let (messages, reconnects) = (subscriber.message_rx(), subscriber.reconnect_rx());
        subscriber.subscribe(channel).await.map_err(failed)?;
        let state = (messages, reconnects, subscriber, self.clone());
        Ok(Box::pin(futures::stream::unfold(state, |(mut messages, mut reconnects, subscriber, redis)| async move {
            let received = tokio::select! {
                message = messages.recv() => message.map(|message| message.value.convert().ok()),
                reconnected = reconnects.recv() => {
                    redis.resubscribe(&subscriber).await;
                    reconnected.map(|_| None)
                }
            };
            let announced = match received {
                Ok(announced) => announced,
                Err(RecvError::Lagged(_)) => None,
                Err(RecvError::Closed) => return None,
            };
            Some((announced, (messages, reconnects, subscriber, redis)))
        })))
    }

    /// Closes the connections, after sending what is pending.
    pub async fn close(&self) {
        metrics::forget(&self.pool);
        let subscribers = self.subscribers.lock().split_off(0);
        let queue_clients = self.queue_clients.lock().split_off(0);
        let subscribers = join_all(subscribers.iter().map(ClientLike::quit));
        let queue_clients = join_all(queue_clients.iter().map(ClientLike::quit));
        let quit = async { tokio::join!(subscribers, queue_clients, self.pool.quit()) };
        _ = tokio::time::timeout(CLOSE_TIMEOUT, quit).await;
    }
}

fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// The masters by their addresses: the one that there is, or those of a cluster.
fn masters(client: &Client) -> Vec<(String, WithOptions<Client>)> {
    let nodes = client.cached_cluster_state().map(|state| state.unique_primary_nodes()).unwrap_or_default();
    if nodes.is_empty() {
        return vec![(String::new(), client.with_options(&Options::default()))];
    }
    nodes.into_iter().map(|node| (node.to_string(), client.with_cluster_node(node))).collect()
}

/// Any connection of the pool that is up, with fail-fast options.
fn failing_fast(redis: &RedisHandle, timeout: Duration) -> Result<WithOptions<Client>, Error> {
    fail_fast(redis.pool.next_connected(), timeout)
}

/// Fail-fast options: no retry, and no waiting for a connection. A client that is reconnecting refuses commands
/// regardless. One that has not yet noticed a lost connection does not: the timeout covers that.
fn fail_fast(client: &Client, timeout: Duration) -> Result<WithOptions<Client>, Error> {
    if !client.is_connected() {
        return Err(Error::new(ErrorKind::IO, "there is no connection"));
    }
    let timeout = Some(timeout);
    Ok(client.with_options(&Options { max_attempts: Some(1), fail_fast: true, timeout, ..Options::default() }))
}

/// Runs a script with fail-fast options.
async fn run_failing_fast<R: FromValue>(
    redis: &RedisHandle,
    script: &Script,
    key: String,
    arguments: Vec<String>,
) -> Result<R, Error> {
    let arguments = arguments.into_iter().map(Value::from).collect();
    run(&failing_fast(redis, redis.fail_fast_timeout)?, script, vec![key], arguments).await
}

/// Runs a script with the client's options, unlike fred's `evalsha`, which ignores them: it retries, and waits for a
/// connection. A script that Redis does not have yet is sent with its text.
async fn run<R: FromValue>(
    client: &WithOptions<Client>,
    script: &Script,
    keys: Vec<String>,
    arguments: Vec<Value>,
) -> Result<R, Error> {
    let call = async |command: &'static str, script: Value| {
        // All keys of a script are in one slot. Told as an offset among the arguments, fred does not heed it.
        let slot = keys.first().map_or(ClusterHash::Random, |key| ClusterHash::from(key.as_str()));
        let command = CustomCommand::new_static(command, slot, false);
        let head = [script, (keys.len() as i64).into()].into_iter().chain(keys.iter().map(Value::from));
        client.custom(command, head.chain(arguments.iter().cloned()).collect()).await
    };
    match call("EVALSHA", script.sha1().clone().into()).await {
        Err(error) if error.details().starts_with("NOSCRIPT") => {
            call("EVAL", script.lua().cloned().unwrap_or_default().into()).await
        }
        result => result,
    }
}

fn script(lua: &'static str) -> Script {
    Script::from_lua(lua)
}
