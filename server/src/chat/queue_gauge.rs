//! Levels and rates of the queues, polled once a second: for admins, for queue positions and for backpressure.
//!
//! Readers get the last sample, and never wait. While Redis is away the last levels stay, and
//! [`QueueGauge::redis_answers`] is `false`; when Redis has lost its data, its counters start again at zero.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::future::FutureExt;
use parking_lot::RwLock;
use sqlx::PgPool;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use troupe_core::{
    clock::Clock,
    lifecycle::Tasks,
    metrics::TierLabel,
    model::QueuePosition,
    ports::{JobQueue, QueueLevel},
};
use troupe_db::{accounts::tiers, replies::queue_state, with_response_timeout};

use crate::metrics::QUEUE;

const REDIS_POLL_INTERVAL: Duration = Duration::from_secs(1);
const POSTGRES_POLL_INTERVAL: Duration = Duration::from_secs(2);
/// A slower poll counts as failed.
const REDIS_TIMEOUT: Duration = Duration::from_secs(2);
/// The time constant of the averages: after it a change of rate shows by two thirds.
const DECAY_SECONDS: f64 = 10.0;
/// Open requests are counted up to this: counting must not cost more with a larger backlog.
const MAX_COUNTED: i64 = 100_000;

/// The load of one tier's queue.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct TierLoad {
    /// Jobs that no worker has taken yet.
    pub(crate) waiting: u64,
    /// Since the message of the job at the head was sent.
    pub(crate) oldest: Option<Duration>,
    /// Jobs, averaged over some ten seconds.
    pub(crate) arrivals_per_second: f64,
    pub(crate) completions_per_second: f64,
}

#[derive(Clone)]
pub(crate) struct QueueGauge(Arc<Inner>);

struct Inner {
    /// Polled with the number of open requests: admins add tiers.
    tiers: RwLock<Arc<[String]>>,
    last: RwLock<Sample>,
}

#[derive(Default)]
struct Sample {
    loads: HashMap<String, TierLoad>,
    redis_answers: bool,
    open: u64,
}

impl QueueGauge {
    /// Polls until the shutdown.
    pub(crate) fn start(
        tiers: Arc<[String]>,
        pool: PgPool,
        jobs: Arc<dyn JobQueue>,
        clock: Arc<dyn Clock>,
        tasks: &Tasks,
    ) -> Self {
        let gauge = Self(Arc::new(Inner { tiers: RwLock::new(tiers), last: RwLock::default() }));
        let (inner, shutdown) = (gauge.0.clone(), tasks.shutdown().clone());
        tasks.spawn(async move { shutdown.run_until_cancelled(inner.poll_redis(jobs, clock)).map(drop).await });
        let (inner, shutdown) = (gauge.0.clone(), tasks.shutdown().clone());
        tasks.spawn(async move { shutdown.run_until_cancelled(inner.poll_postgres(pool)).map(drop).await });
        gauge
    }

    pub(crate) fn tier(&self, name: &str) -> TierLoad {
        self.0.last.read().loads.get(name).copied().unwrap_or_default()
    }

    /// Every tier, by descending weight.
    pub(crate) fn tiers(&self) -> Arc<[String]> {
        self.0.tiers.read().clone()
    }

    /// Requests that are not final, [`MAX_COUNTED`] at most.
    pub(crate) fn open(&self) -> u64 {
        self.0.last.read().open
    }

    /// Whether the last poll of the queues succeeded.
    pub(crate) fn redis_answers(&self) -> bool {
        self.0.last.read().redis_answers
    }
}

impl TierLoad {
    /// The position of a job that is queued now; jobs queued since the last poll are not counted.
    pub(crate) fn next_position(&self) -> QueuePosition {
        let eta_seconds = match self.waiting {
            0 => Some(0),
            _ if self.completions_per_second < f64::EPSILON => None,
            waiting => Some((waiting as f64 / self.completions_per_second).ceil() as u64),
        };
        QueuePosition { position: self.waiting + 1, eta_seconds }
    }
}

impl Inner {
    async fn poll_redis(&self, jobs: Arc<dyn JobQueue>, clock: Arc<dyn Clock>) {
        let mut rates: HashMap<String, (Rate, Rate)> = HashMap::new();
        let mut ticks = interval(REDIS_POLL_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let tiers = self.tiers.read().clone();
            let polled = timeout(REDIS_TIMEOUT, jobs.levels(&tiers)).await;
            let Ok(Ok(levels)) = polled else {
                self.last.write().redis_answers = false;
                QUEUE.observed.set(0);
                continue;
            };
            let (at, now) = (Instant::now(), clock.now().timestamp_millis() as u64);
            let mut load = |(tier, level): (&String, &QueueLevel)| {
                let (arrivals, completions) = rates.entry(tier.clone()).or_default();
                let load = TierLoad {
                    waiting: level.waiting,
                    oldest: age(level, now),
                    arrivals_per_second: arrivals.after(at, level.pushed),
                    completions_per_second: completions.after(at, level.finished),
                };
                (tier.clone(), load)
            };
            let loads: HashMap<_, _> = tiers.iter().zip(&levels).map(&mut load).collect();
            show(&loads);
            let mut last = self.last.write();
            (last.loads, last.redis_answers) = (loads, true);
        }
    }

    async fn poll_postgres(&self, pool: PgPool) {
        let mut ticks = interval(POSTGRES_POLL_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match with_response_timeout(queue_state::open(&pool, MAX_COUNTED)).await {
                Ok(open) => {
                    self.last.write().open = open.unsigned_abs();
                    QUEUE.open.set(open);
                }
                Err(error) => tracing::debug!(%error, "could not count what is open"),
            }
            if let Ok(tiers) = with_response_timeout(tiers::list(&pool)).await {
                *self.tiers.write() = tiers.into_iter().map(|tier| tier.name).collect();
            }
        }
    }
}

/// Shows the loads as metrics.
fn show(loads: &HashMap<String, TierLoad>) {
    QUEUE.observed.set(1);
    for (tier, load) in loads {
        let label = TierLabel { tier: tier.clone() };
        QUEUE.waiting.get_or_create(&label).set(i64::try_from(load.waiting).unwrap_or(i64::MAX));
        QUEUE.oldest.get_or_create(&label).set(load.oldest.unwrap_or_default().as_secs_f64());
    }
}

/// The age of the message at the head, by the timestamp in its request's id.
fn age(level: &QueueLevel, now_ms: u64) -> Option<Duration> {
    let made_at = level.head?.made_at_ms()?;
    Some(Duration::from_millis(now_ms.saturating_sub(made_at)))
}

/// The rate of a counter: an exponentially decaying average.
#[derive(Default)]
struct Rate {
    last: Option<(Instant, u64)>,
    per_second: Option<f64>,
}

impl Rate {
    /// The average after one more sample of the counter.
    fn after(&mut self, at: Instant, count: u64) -> f64 {
        if let Some((before, earlier)) = self.last.replace((at, count)) {
            // A lower count than before: the counter was reset.
            let counted = count.checked_sub(earlier).unwrap_or(count);
            let seconds = (at - before).as_secs_f64().max(f64::EPSILON);
            let rate = counted as f64 / seconds;
            let weight = 1.0 - (-seconds / DECAY_SECONDS).exp();
            let average = self.per_second.get_or_insert(rate);
            *average += (rate - *average) * weight;
        }
        self.per_second.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The averages after looks that are this many seconds apart.
    fn averages(looks: &[(f64, u64)]) -> Vec<f64> {
        let (mut rate, mut at) = (Rate::default(), Instant::now());
        looks
            .iter()
            .map(|&(seconds, count)| {
                at += Duration::from_secs_f64(seconds);
                (rate.after(at, count) * 100.0).round() / 100.0
            })
            .collect()
    }

    #[test]
    fn a_steady_pace_is_told_from_the_second_look_on() {
        assert_eq!(averages(&[(0.0, 1_000), (1.0, 1_050), (1.0, 1_100), (2.0, 1_200)]), [0.0, 50.0, 50.0, 50.0]);
    }

    #[test]
    fn a_change_of_pace_comes_through_by_and_by_however_often_one_looks() {
        let often: Vec<_> = [(0.0, 0), (1.0, 100)].into_iter().chain((0..10).map(|_| (1.0, 100))).collect();
        assert_eq!(averages(&often).last(), averages(&[(0.0, 0), (1.0, 100), (10.0, 100)]).last());
        assert_eq!(averages(&often).last(), Some(&36.79));
    }

    #[test]
    fn a_counter_that_began_again_counts_what_it_has_counted_since() {
        assert_eq!(averages(&[(0.0, 9_000), (1.0, 9_010), (1.0, 10), (1.0, 20)]), [0.0, 10.0, 10.0, 10.0]);
    }
}
