//! Event logs as Redis streams, live channels as (sharded) pub/sub.
//!
//! The entry ids of a log are the events' cursors, so Redis itself refuses a late write of an older attempt.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use fred::{
    clients::SubscriberClient,
    interfaces::{ClusterInterface, EventInterface, PubsubInterface, StreamsInterface},
    types::{Value, config::Server, scripts::Script, streams::XReadValue},
};
use futures::{StreamExt, stream::BoxStream};
use tokio::{
    sync::broadcast,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{
    BROADCAST_CAPACITY, RedisHandle,
    metrics::{METRICS, measured},
    script,
};
use crate::{
    config,
    events::{Cursor, Frame},
    ids::{RequestId, UserId},
    metrics::{ObserveTime, OutcomeLabel},
    ports::{Appended, EventBus, PortError, Signal},
};

/// How often a cluster is asked which master has which slots.
const TOPOLOGY_INTERVAL: Duration = Duration::from_secs(10);
const TOPOLOGY_TIMEOUT: Duration = Duration::from_secs(1);

pub struct RedisEventBus {
    redis: RedisHandle,
    append: Script,
    seal: Script,
    log_ttl_ms: i64,
    /// `None` in workers, which do not subscribe.
    subscriptions: Option<Subscriptions>,
}

struct Subscriptions {
    client: SubscriberClient,
    signals: broadcast::Sender<Signal>,
}

impl RedisEventBus {
    /// For appends and replays only.
    pub fn new(redis: RedisHandle, config: &config::Events) -> Self {
        Self {
            redis,
            append: script(include_str!("append.lua")),
            seal: script(include_str!("seal.lua")),
            log_ttl_ms: i64::try_from(config.log_ttl.as_millis()).unwrap_or(i64::MAX),
            subscriptions: None,
        }
    }

    /// With a connection for subscriptions.
    pub async fn with_subscriptions(redis: RedisHandle, config: &config::Events) -> Result<Self, PortError> {
        let client = redis.subscriber().await.map_err(failed("connect to Redis for events"))?;
        let (signals, _) = broadcast::channel(BROADCAST_CAPACITY);
        listen(&client, &redis, &signals);
        let subscriptions = Some(Subscriptions { client, signals });
        Ok(Self { subscriptions, ..Self::new(redis, config) })
    }

    fn channel(&self, user: UserId) -> String {
        format!("{}:{{{user}}}:events", self.redis.prefix)
    }

    fn log(&self, user: UserId, request: RequestId) -> String {
        format!("{}:{{{user}}}:log:{request}", self.redis.prefix)
    }

    fn subscriber(&self) -> Result<&SubscriberClient, PortError> {
        self.subscriptions.as_ref().map(|s| &s.client).ok_or_else(|| PortError {
            what: "subscribe to events",
            why: "this process has no connection for subscriptions".to_owned(),
        })
    }
}

fn failed(what: &'static str) -> impl FnOnce(fred::error::Error) -> PortError {
    move |e| PortError { what, why: e.to_string() }
}

/// Turns fred's messages into signals: events, and gaps after a reconnect or when this process lagged behind.
fn listen(client: &SubscriberClient, redis: &RedisHandle, signals: &broadcast::Sender<Signal>) {
    let (mut messages, mut reconnects) = (client.message_rx(), client.reconnect_rx());
    let mut errors = client.error_rx();
    let (client, signals, redis) = (client.clone(), signals.clone(), redis.clone());
    let mut topology_checks = interval(TOPOLOGY_INTERVAL);
    topology_checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    #[expect(clippy::disallowed_methods, reason = "it ends with the connection, which the bus owns")]
    tokio::spawn(async move {
        let mut disconnected = false;
        let mut known_slots = None;
        loop {
            tokio::select! {
                message = messages.recv() => match message {
                    Ok(message) => {
                        let user = user_of(&message.channel, &redis.prefix);
                        let frame = bytes_of(message.value).and_then(Frame::decode);
                        if let (Some(user), Some(frame)) = (user, frame) {
                            _ = signals.send(Signal::Event(user, frame));
                        }
                    }
                    Err(broadcast::error::RecvError::Lagged(missed)) => {
                        tracing::warn!(missed, "events came faster than this process could forward them");
                        _ = signals.send(Signal::Gap);
                    }
                    Err(broadcast::error::RecvError::Closed) => return,
                },
                reconnected = reconnects.recv() => {
                    if reconnected.is_err_and(|e| e == broadcast::error::RecvError::Closed) {
                        return;
                    }
                    redis.resubscribe(&client).await;
                    disconnected = false;
                    _ = signals.send(Signal::Gap);
                }
                // A master that gives a slot away ends the subscriptions to it, and fred does not report that.
                _ = topology_checks.tick(), if redis.is_clustered() && !disconnected => {
                    let slots = masters_of_slots(&client).await;
                    if slots.is_some() && known_slots.is_some() && slots != known_slots {
                        redis.resubscribe(&client).await;
                        _ = signals.send(Signal::Gap);
                    }
                    known_slots = slots.or(known_slots);
                }
                // fred reports the lost connection and each failed reconnect: only the first is passed on.
                _ = errors.recv(), if !disconnected => {
                    disconnected = true;
                    _ = signals.send(Signal::Away);
                }
            }
        }
    });
}

/// Ranges of slots with their masters; `None` where no node says so in time.
async fn masters_of_slots(client: &SubscriberClient) -> Option<Vec<(u16, u16, Server)>> {
    tokio::time::timeout(TOPOLOGY_TIMEOUT, client.sync_cluster()).await.ok()?.ok()?;
    let ranges = client.cached_cluster_state()?;
    Some(ranges.slots().iter().map(|range| (range.start, range.end, range.primary.clone())).collect())
}

fn user_of(channel: &str, prefix: &str) -> Option<UserId> {
    channel.strip_prefix(prefix)?.strip_prefix(":{")?.strip_suffix("}:events")?.parse().ok()
}

fn bytes_of(value: Value) -> Option<Bytes> {
    match value {
        Value::Bytes(bytes) => Some(bytes),
        Value::String(text) => Some(text.into_inner()),
        _ => None,
    }
}

#[async_trait]
impl EventBus for RedisEventBus {
    async fn append(&self, user: UserId, frames: &[Frame]) -> Result<Appended, PortError> {
        let Some(first) = frames.first() else { return Ok(Appended::Yes) };
        let mut arguments: Vec<Value> = Vec::with_capacity(3 + frames.len() * 2);
        arguments.push(if self.redis.sharded { "SPUBLISH" } else { "PUBLISH" }.into());
        arguments.push(self.log_ttl_ms.into());
        arguments.push(i64::from(first.is_self_contained()).into());
        for frame in frames {
            arguments.push(frame.cursor.to_string().into());
            arguments.push(Value::Bytes(frame.encoded().clone()));
        }
        let keys = vec![self.log(user, first.request_id), self.channel(user)];
        let began = Instant::now();
        let written: Result<i64, _> = self.append.evalsha_with_reload(self.redis.client(), keys, arguments).await;
        METRICS.append_duration.observe_time(began.elapsed());
        let (outcome, appended) = match written {
            Ok(1) => ("appended", Ok(Appended::Yes)),
            Ok(2) => ("forgotten", Ok(Appended::Forgotten)),
            Ok(_) => ("refused", Ok(Appended::Refused)),
            Err(error) => ("failed", Err(failed("append events")(error))),
        };
        METRICS.appends.get_or_create(&OutcomeLabel { outcome }).inc();
        appended
    }

    async fn seal(&self, user: UserId, request: RequestId, attempt: u32) -> Result<Vec<Frame>, PortError> {
        // The end has the last cursor: see `Cursor::end_of`.
        let last = Cursor { n: u32::MAX - 1, ..Cursor::end_of(attempt) };
        let arguments: Vec<Value> = vec![last.to_string().into(), self.log_ttl_ms.into()];
        let log: Vec<Bytes> = self
            .seal
            .evalsha_with_reload(self.redis.client(), vec![self.log(user, request)], arguments)
            .await
            .map_err(failed("seal the event log"))?;
        Ok(log.into_iter().filter_map(Frame::decode).collect())
    }

    async fn publish(&self, events: &[(UserId, Frame)]) -> Result<(), PortError> {
        let pipeline = self.redis.client().pipeline();
        for (user, frame) in events {
            let (channel, payload) = (self.channel(*user), frame.encoded().clone());
            let queued: Result<(), _> = if self.redis.sharded {
                pipeline.spublish(channel, payload).await
            } else {
                pipeline.publish(channel, payload).await
            };
            queued.map_err(failed("publish events"))?;
        }
        measured("publish", pipeline.last()).await.map_err(failed("publish events"))
    }

    async fn subscribe(&self, user: UserId) -> Result<(), PortError> {
        let (client, channel) = (self.subscriber()?, self.channel(user));
        if self.redis.sharded { client.ssubscribe(channel).await } else { client.subscribe(channel).await }
            .map_err(failed("subscribe to events"))
    }

    async fn unsubscribe(&self, user: UserId) -> Result<(), PortError> {
        let (client, channel) = (self.subscriber()?, self.channel(user));
        if self.redis.sharded { client.sunsubscribe(channel).await } else { client.unsubscribe(channel).await }
            .map_err(failed("unsubscribe from events"))
    }

    async fn listeners(&self, user: UserId) -> Result<u64, PortError> {
        let (client, channel) = (self.redis.client(), self.channel(user));
        let counts: HashMap<String, u64> = if self.redis.sharded {
            client.pubsub_shardnumsub(channel).await
        } else {
            client.pubsub_numsub(channel).await
        }
        .map_err(failed("ask who listens"))?;
        Ok(counts.into_values().sum())
    }

    fn signals(&self) -> BoxStream<'static, Signal> {
        let Some(subscriptions) = &self.subscriptions else { return futures::stream::empty().boxed() };
        futures::stream::unfold(subscriptions.signals.subscribe(), |mut signals| async move {
            match signals.recv().await {
                Ok(signal) => Some((signal, signals)),
                Err(broadcast::error::RecvError::Lagged(_)) => Some((Signal::Gap, signals)),
                Err(broadcast::error::RecvError::Closed) => None,
            }
        })
        .boxed()
    }

    async fn replay(&self, user: UserId, request: RequestId, after: Cursor) -> Result<Vec<Frame>, PortError> {
        let entries: Vec<XReadValue<String, String, Bytes>> = self
            .redis
            .client()
            .xrange_values(self.log(user, request), format!("({after}"), "+", None)
            .await
            .map_err(failed("read the event log"))?;
        Ok(entries.into_iter().filter_map(|(_, mut fields)| Frame::decode(fields.remove("e")?)).collect())
    }
}
