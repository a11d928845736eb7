//! How full the queues are and how fast they move, looked at once a second: for admins, for positions and for caps.
//!
//! Nobody waits for a look: readers get the last one. While Redis is away the last levels stay, and
//! [`QueueGauge::redis_answers`] says so; when it has lost its data its counters begin again, and so do the averages'
//! next steps.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::future::FutureExt;
use parking_lot::RwLock;
use sqlx::PgPool;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use troupe_core::{
    clock::Clock,
    lifecycle::Tasks,
    model::Place,
    ports::{JobQueue, QueueLevel},
};
use troupe_db::{accounts::tiers, replies::queue_state};

const REDIS_POLL_INTERVAL: Duration = Duration::from_secs(1);
const POSTGRES_POLL_INTERVAL: Duration = Duration::from_secs(2);
/// A look that takes longer is given up: Redis is as good as away.
const REDIS_TIMEOUT: Duration = Duration::from_secs(2);
/// After so many seconds a change of pace has come through by two thirds.
const DECAY_SECONDS: f64 = 10.0;
/// More open requests are not counted: counting must not cost more the worse things are.
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
    /// Looked up again with what is open: there may be others by now.
    tiers: RwLock<Arc<[String]>>,
    last: RwLock<Last>,
}

#[derive(Default)]
struct Last {
    loads: HashMap<String, TierLoad>,
    redis_answers: bool,
    open: u64,
}

impl QueueGauge {
    /// Looks until the shutdown.
    pub(crate) fn start(
        tiers: Arc<[String]>,
        pool: PgPool,
        jobs: Arc<dyn JobQueue>,
        clock: Arc<dyn Clock>,
        tasks: &Tasks,
    ) -> Self {
        let gauge = Self(Arc::new(Inner { tiers: RwLock::new(tiers), last: RwLock::default() }));
        let (inner, shutdown) = (gauge.0.clone(), tasks.shutdown().clone());
        tasks.spawn(async move { shutdown.run_until_cancelled(inner.look_at_redis(jobs, clock)).map(drop).await });
        let (inner, shutdown) = (gauge.0.clone(), tasks.shutdown().clone());
        tasks.spawn(async move { shutdown.run_until_cancelled(inner.look_at_postgres(pool)).map(drop).await });
        gauge
    }

    pub(crate) fn tier(&self, name: &str) -> TierLoad {
        self.0.last.read().loads.get(name).copied().unwrap_or_default()
    }

    /// Every tier, the one of most weight first.
    pub(crate) fn tiers(&self) -> Arc<[String]> {
        self.0.tiers.read().clone()
    }

    /// Requests that are not final, [`MAX_COUNTED`] at most.
    pub(crate) fn open(&self) -> u64 {
        self.0.last.read().open
    }

    /// Whether the last look at the queues succeeded.
    pub(crate) fn redis_answers(&self) -> bool {
        self.0.last.read().redis_answers
    }
}

impl TierLoad {
    /// Of a job that is queued now. What was queued since the last look is not counted.
    pub(crate) fn place(&self) -> Place {
        let eta_seconds = match self.waiting {
            0 => Some(0),
            _ if self.completions_per_second < f64::EPSILON => None,
            waiting => Some((waiting as f64 / self.completions_per_second).ceil() as u64),
        };
        Place { position: self.waiting + 1, eta_seconds }
    }
}

impl Inner {
    async fn look_at_redis(&self, jobs: Arc<dyn JobQueue>, clock: Arc<dyn Clock>) {
        let mut rates: HashMap<String, (Rate, Rate)> = HashMap::new();
        let mut ticks = interval(REDIS_POLL_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let tiers = self.tiers.read().clone();
            let looked = timeout(REDIS_TIMEOUT, jobs.levels(&tiers)).await;
            let Ok(Ok(levels)) = looked else {
                self.last.write().redis_answers = false;
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
            let loads = tiers.iter().zip(&levels).map(&mut load).collect();
            let mut last = self.last.write();
            (last.loads, last.redis_answers) = (loads, true);
        }
    }

    async fn look_at_postgres(&self, pool: PgPool) {
        let mut ticks = interval(POSTGRES_POLL_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match queue_state::open(&pool, MAX_COUNTED).await {
                Ok(open) => self.last.write().open = open.unsigned_abs(),
                Err(error) => tracing::debug!(%error, "could not count what is open"),
            }
            if let Ok(tiers) = tiers::list(&pool).await {
                *self.tiers.write() = tiers.into_iter().map(|tier| tier.name).collect();
            }
        }
    }
}

/// Since the message at the head was sent, by the time that is in its request's id.
fn age(level: &QueueLevel, now_ms: u64) -> Option<Duration> {
    let made_at = level.head?.made_at_ms()?;
    Some(Duration::from_millis(now_ms.saturating_sub(made_at)))
}

/// How fast a counter counts: a decaying average.
#[derive(Default)]
struct Rate {
    last: Option<(Instant, u64)>,
    per_second: Option<f64>,
}

impl Rate {
    /// The average after one more look at the counter.
    fn after(&mut self, at: Instant, count: u64) -> f64 {
        if let Some((before, earlier)) = self.last.replace((at, count)) {
            // One that stands lower than before has begun again at zero.
            let counted = count.checked_sub(earlier).unwrap_or(count);
            let seconds = (at - before).as_secs_f64().max(f64::EPSILON);
            let pace = counted as f64 / seconds;
            let weight = 1.0 - (-seconds / DECAY_SECONDS).exp();
            let average = self.per_second.get_or_insert(pace);
            *average += (pace - *average) * weight;
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
