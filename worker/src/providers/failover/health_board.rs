//! The providers' health, shared between workers: circuit breakers that opened or closed, and counters of calls.
//!
//! A separate task synchronises it ([`sync`]), so that no reply waits for it. While Redis is away each worker has only
//! its own observations. The counters are for admins.

use std::{collections::HashMap, mem, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use futures::future::FutureExt;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use troupe_core::{
    clock::Clock,
    histogram::bucket,
    model::{
        grounding::Mode,
        providers::{Outcome, Rest, Try},
    },
    ports::{EndpointState, LOOK_UPS, ProviderBoard},
};

use super::roster::{Endpoint, Roster};

const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// The lease of a probe: a worker that died with one blocks others no longer.
const PROBE_LEASE: Duration = Duration::from_secs(30);
/// A reply waits no longer for the lease.
const PROBE_LEASE_TIMEOUT: Duration = Duration::from_millis(100);
/// Updates that wait to be published; more are dropped.
const MAX_PENDING_UPDATES: usize = 256;

pub(crate) struct HealthBoard {
    board: Arc<dyn ProviderBoard>,
    updates: mpsc::Sender<Update>,
    counts: Mutex<HashMap<String, u64>>,
}

struct Update {
    endpoint: String,
    news: EndpointState,
}

/// The updates of this worker that are still to be published, by [`sync`].
pub(crate) struct BoardUpdates(mpsc::Receiver<Update>);

impl HealthBoard {
    pub(crate) fn new(board: Arc<dyn ProviderBoard>) -> (Arc<Self>, BoardUpdates) {
        let (updates, pending) = mpsc::channel(MAX_PENDING_UPDATES);
        (Arc::new(Self { board, updates, counts: Mutex::default() }), BoardUpdates(pending))
    }

    pub(super) fn publish(&self, endpoint: &Endpoint, rest: Option<Rest>, changed: DateTime<Utc>) {
        _ = self.updates.try_send(Update { endpoint: endpoint.name.clone(), news: EndpointState { changed, rest } });
    }

    /// Whether this worker may probe: no other does, or Redis is away.
    pub(super) async fn acquire_probe(&self, endpoint: &Endpoint) -> bool {
        let acquired = self.board.take_probe(&endpoint.name, PROBE_LEASE);
        !matches!(tokio::time::timeout(PROBE_LEASE_TIMEOUT, acquired).await, Ok(Ok(false)))
    }

    pub(super) fn count_call(&self, endpoint: &Endpoint, tried: &Try) {
        let name = &endpoint.name;
        let mut counts = self.counts.lock();
        let mut add = |what: String| *counts.entry(format!("{name}|{what}")).or_default() += 1;
        add(tried.outcome.to_string());
        if tried.outcome == Outcome::Completed {
            add(format!("whole:{}", bucket(tried.ms)));
        }
        if let Some(first_token_ms) = tried.first_word_ms {
            add(format!("first_word:{}", bucket(first_token_ms)));
        }
        if tried.hedge {
            add("hedge".to_owned());
        }
    }

    /// Counts a retrieval of passages.
    pub(crate) fn count_look_up(&self, mode: Mode) {
        *self.counts.lock().entry(format!("{LOOK_UPS}|{mode}")).or_default() += 1;
    }

    async fn flush_counts(&self, now: DateTime<Utc>) {
        let counts: Vec<_> = mem::take(&mut *self.counts.lock()).into_iter().collect();
        if counts.is_empty() {
            return;
        }
        let completed = format!("|{}", Outcome::Completed);
        let answering = counts.iter().filter_map(|(field, _)| field.strip_suffix(&completed).map(str::to_owned));
        if let Err(error) = self.board.count(now, &counts, &answering.collect::<Vec<_>>()).await {
            tracing::debug!(%error, "the counters of providers were not stored");
        }
    }

    /// Takes over what other workers have published.
    async fn merge_news(&self, roster: &Roster) {
        let mut news = match self.board.states().await {
            Ok(news) => news,
            Err(error) => return tracing::debug!(%error, "could not read the providers' health from other workers"),
        };
        for endpoint in roster.endpoints() {
            let name = &endpoint.name;
            let Some(EndpointState { changed, rest }) = news.remove(name) else { continue };
            let rests = rest.is_some();
            if endpoint.breaker.merge(rest, changed) {
                tracing::info!(endpoint = name, rests, "another worker tells of a provider");
            }
        }
    }
}

/// Publishes and merges until the shutdown.
pub(crate) async fn sync(
    health_board: Arc<HealthBoard>,
    BoardUpdates(mut pending): BoardUpdates,
    roster: Arc<Roster>,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
) {
    let mut polls = tokio::time::interval(POLL_INTERVAL);
    polls.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(Update { endpoint, news }) = pending.recv() => {
                if let Err(error) = health_board.board.publish(&endpoint, &news).await {
                    tracing::debug!(%error, endpoint, "could not publish a provider's health to other workers");
                }
            }
            () = polls.tick().map(drop) => {
                health_board.merge_news(&roster).await;
                health_board.flush_counts(clock.now()).await;
            }
        }
    }
    health_board.flush_counts(clock.now()).await;
}
