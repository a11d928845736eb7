//! What workers know of the providers, shared: who rests, who is well again, and what came of the calls.
//!
//! Told and heard by a task of its own, so that no reply waits for it. While Redis is away each worker knows what it finds out
//! itself. The counters are what admins see.

use std::{collections::HashMap, mem, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use futures::future::FutureExt;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use troupe_core::{
    buckets::bucket,
    clock::Clock,
    model::{
        grounding::Mode,
        providers::{Outcome, Rest, Try},
    },
    ports::{LOOK_UPS, News, ProviderBoard},
};

use super::roster::{Endpoint, Roster};

const LOOK: Duration = Duration::from_secs(1);
/// A worker that died with its probe holds nobody up for longer.
const PROBE: Duration = Duration::from_secs(30);
/// A probe is not worth more of a reply's time.
const PROBE_WAIT: Duration = Duration::from_millis(100);
/// News that wait to be told; what is more gets lost.
const WAITING: usize = 256;

pub(crate) struct Sharing {
    board: Arc<dyn ProviderBoard>,
    news: mpsc::Sender<(String, News)>,
    counts: Mutex<HashMap<String, u64>>,
}

/// What is to be told; see [`follow`].
pub(crate) struct Untold(mpsc::Receiver<(String, News)>);

impl Sharing {
    pub(crate) fn new(board: Arc<dyn ProviderBoard>) -> (Arc<Self>, Untold) {
        let (news, untold) = mpsc::channel(WAITING);
        (Arc::new(Self { board, news, counts: Mutex::default() }), Untold(untold))
    }

    pub(super) fn tell(&self, endpoint: &Endpoint, rest: Option<Rest>, changed: DateTime<Utc>) {
        _ = self.news.try_send((endpoint.name.clone(), News { changed, rest }));
    }

    /// Whether no other worker probes; where that cannot be known, this one does.
    pub(super) async fn may_probe(&self, endpoint: &Endpoint) -> bool {
        let taken = self.board.take_probe(&endpoint.name, PROBE);
        !matches!(tokio::time::timeout(PROBE_WAIT, taken).await, Ok(Ok(false)))
    }

    /// Takes a call into the counters.
    pub(super) fn count(&self, endpoint: &Endpoint, tried: &Try) {
        let name = &endpoint.name;
        let mut counts = self.counts.lock();
        let mut add = |what: String| *counts.entry(format!("{name}|{what}")).or_default() += 1;
        add(tried.outcome.to_string());
        if tried.outcome == Outcome::Completed {
            add(format!("whole:{}", bucket(tried.ms)));
        }
        if let Some(first_word) = tried.first_word_ms {
            add(format!("first_word:{}", bucket(first_word)));
        }
        if tried.hedge {
            add("hedge".to_owned());
        }
    }

    /// Takes into the counters how passages were looked for.
    pub(crate) fn count_look_up(&self, mode: Mode) {
        *self.counts.lock().entry(format!("{LOOK_UPS}|{mode}")).or_default() += 1;
    }

    async fn tell_counts(&self, now: DateTime<Utc>) {
        let counts: Vec<_> = mem::take(&mut *self.counts.lock()).into_iter().collect();
        let completed = format!("|{}", Outcome::Completed);
        let spoke = counts.iter().filter_map(|(field, _)| field.strip_suffix(&completed).map(str::to_owned));
        if !counts.is_empty()
            && let Err(error) = self.board.count(now, &counts, &spoke.collect::<Vec<_>>()).await
        {
            tracing::debug!(%error, "what providers did is not counted for now");
        }
    }

    async fn learn(&self, roster: &Roster) {
        match self.board.news().await {
            Ok(mut news) => {
                for endpoint in roster.endpoints() {
                    let name = &endpoint.name;
                    let Some(News { changed, rest }) = news.remove(name) else { continue };
                    let rests = rest.is_some();
                    if endpoint.standing.learn(rest, changed) {
                        tracing::info!(endpoint = name, rests, "another worker tells of a provider");
                    }
                }
            }
            Err(error) => tracing::debug!(%error, "nothing is heard of the providers from other workers"),
        }
    }
}

/// Tells and listens until the shutdown.
pub(crate) async fn follow(
    sharing: Arc<Sharing>,
    Untold(mut untold): Untold,
    roster: Arc<Roster>,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
) {
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some((endpoint, news)) = untold.recv() => {
                if let Err(error) = sharing.board.tell(&endpoint, &news).await {
                    tracing::debug!(%error, endpoint, "other workers are not told of a provider");
                }
            }
            () = looks.tick().map(drop) => {
                sharing.learn(&roster).await;
                sharing.tell_counts(clock.now()).await;
            }
        }
    }
    sharing.tell_counts(clock.now()).await;
}
