//! The hub: one Redis subscription per user with an open connection here, shared by all of that user's connections.
//!
//! An event is decoded once and its bytes are shared. Backpressure: a connection whose queue is full is dropped from
//! the hub, never waited for. After a gap every connection is resynchronised by a new snapshot.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use futures::StreamExt;
use parking_lot::Mutex;
use tokio::{
    sync::{Mutex as AsyncMutex, mpsc},
    time::Instant,
};
use troupe_core::{
    events::Frame,
    ids::UserId,
    lifecycle::Tasks,
    ports::{EventBus, PortError, Signal},
    trace::{self, Kind},
};

use crate::metrics::LIVE;

/// An item of a connection's queue.
#[derive(Debug, Clone)]
pub(crate) enum Delivery {
    /// An event, and when it came from Redis.
    Event(Arc<Frame>, Instant),
    /// Events may have been missed: the connection must take a new snapshot.
    Resync,
    /// Events are late; a resync follows.
    Delayed,
}

#[derive(Clone)]
pub(crate) struct Hub(Arc<Inner>);

struct Inner {
    bus: Arc<dyn EventBus>,
    users: Mutex<HashMap<UserId, Arc<Channel>>>,
    next_listener: AtomicU64,
    backlog: usize,
    tasks: Tasks,
}

#[derive(Default)]
struct Channel {
    listeners: Mutex<Vec<(u64, mpsc::Sender<Delivery>)>>,
    /// Whether the channel is subscribed; locked during changes, which are so serialized.
    subscribed: AsyncMutex<bool>,
}

impl Hub {
    pub(crate) fn start(bus: Arc<dyn EventBus>, tasks: &Tasks, backlog: usize) -> Self {
        let hub = Self(Arc::new(Inner {
            bus,
            users: Mutex::default(),
            next_listener: AtomicU64::default(),
            backlog,
            tasks: tasks.clone(),
        }));
        let (mut signals, inner, shutdown) = (hub.0.bus.signals(), hub.0.clone(), tasks.shutdown().clone());
        tasks.spawn(async move {
            while let Some(Some(signal)) = shutdown.run_until_cancelled(signals.next()).await {
                inner.forward(signal);
            }
        });
        hub
    }

    /// Subscribes to the events of a user's requests. The subscription is confirmed when this returns.
    pub(crate) async fn subscribe(&self, user: UserId) -> Result<Subscription, PortError> {
        let (sender, receiver) = mpsc::channel(self.0.backlog);
        let id = self.0.next_listener.fetch_add(1, Ordering::Relaxed);
        let channel = {
            let mut users = self.0.users.lock();
            let channel = users.entry(user).or_default().clone();
            LIVE.users.set(users.len() as i64);
            channel.listeners.lock().push((id, sender));
            channel
        };
        let subscription = Subscription { inner: self.0.clone(), user, id, receiver };
        let mut subscribed = channel.subscribed.lock().await;
        if !*subscribed {
            self.0.bus.subscribe(user).await?;
            *subscribed = true;
        }
        Ok(subscription)
    }
}

impl Inner {
    fn forward(&self, signal: Signal) {
        match signal {
            Signal::Event(user, frame) => {
                let channel = self.users.lock().get(&user).cloned();
                if let Some(channel) = channel {
                    channel.deliver(&Delivery::Event(Arc::new(frame), Instant::now()));
                }
            }
            Signal::Gap => {
                LIVE.gaps.inc();
                self.deliver_to_all(&Delivery::Resync);
            }
            Signal::Away => self.deliver_to_all(&Delivery::Delayed),
        }
    }

    fn deliver_to_all(&self, delivery: &Delivery) {
        let channels: Vec<_> = self.users.lock().values().cloned().collect();
        for channel in channels {
            channel.deliver(delivery);
        }
    }

    fn remove_listener(self: &Arc<Self>, user: UserId, id: u64) {
        let Some(channel) = self.users.lock().get(&user).cloned() else { return };
        let last = {
            let mut listeners = channel.listeners.lock();
            listeners.retain(|(listener, _)| *listener != id);
            listeners.shrink_to_fit();
            listeners.is_empty()
        };
        if last {
            let inner = self.clone();
            self.tasks.spawn(async move { inner.close_if_unused(user, &channel).await });
        }
    }

    /// Ends the subscription of a user without connections. A concurrent [`Hub::subscribe`] waits for the same lock,
    /// and then subscribes again.
    async fn close_if_unused(&self, user: UserId, channel: &Channel) {
        let mut subscribed = channel.subscribed.lock().await;
        if !channel.listeners.lock().is_empty() {
            return;
        }
        if std::mem::take(&mut *subscribed)
            && let Err(error) = self.bus.unsubscribe(user).await
        {
            tracing::debug!(%error, "a channel stays subscribed");
        }
        let mut users = self.users.lock();
        if channel.listeners.lock().is_empty() {
            users.remove(&user);
            LIVE.users.set(users.len() as i64);
        }
    }
}

impl Channel {
    fn deliver(&self, delivery: &Delivery) {
        // A listener whose queue is full is dropped; its receiver ends, and the connection closes with 4008.
        self.listeners.lock().retain(|(_, listener)| listener.try_send(delivery.clone()).is_ok());
    }
}

/// Records that a connection has got an event of a traced reply.
pub(crate) fn trace_delivery(frame: &Frame, came_at: Instant, connection: &'static str) {
    if frame.trace.is_some() {
        let mut span =
            trace::resume(Kind::Consumer, "deliver", frame.trace).since(SystemTime::now() - came_at.elapsed());
        span.set("troupe.event", frame.kind.as_str());
        span.set("troupe.connection", connection);
        span.set("troupe.request_id", frame.request_id.to_string());
    }
}

/// A connection's subscription; ends when it is dropped.
pub(crate) struct Subscription {
    inner: Arc<Inner>,
    user: UserId,
    id: u64,
    receiver: mpsc::Receiver<Delivery>,
}

impl Subscription {
    /// `None` after this connection's queue was full.
    pub(crate) async fn next(&mut self) -> Option<Delivery> {
        self.receiver.recv().await
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.inner.remove_listener(self.user, self.id);
    }
}
