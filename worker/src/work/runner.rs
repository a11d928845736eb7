//! The loop for all kinds of jobs: leases due jobs for free slots, and starts them.

use std::{sync::Arc, time::Duration};

use sqlx::PgPool;
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;
use troupe_core::{lifecycle::Tasks, model::admin::WorkerState};
use troupe_db::{
    jobs::lease::{self, Taken, Wanted},
    operations::workers::Orders,
    with_response_timeout,
};

use super::{Registry, Ticker, WakeUps, attempt::Attempt, load::Load, registry::Kind, schedules};

/// The maximum delay by a lost wake-up, and the precision of pauses.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

pub(crate) struct Runner {
    pub(crate) pool: PgPool,
    pub(crate) worker: String,
    pub(crate) registry: Registry,
    /// The maximum of concurrent jobs in this process, of all kinds.
    pub(crate) slots: usize,
    /// The lease: a job that is not renewed in this time goes to another worker.
    pub(crate) lease: Duration,
    pub(crate) wake_ups: WakeUps,
    /// The wanted state: a worker that is not active leases nothing.
    pub(crate) orders: watch::Receiver<Orders>,
}

/// The state of the loop.
struct Running {
    kinds: Vec<Arc<Kind>>,
    load: Load,
    attempts: JoinSet<usize>,
}

impl Runner {
    /// Starts the loop and the schedules; they end at the shutdown, and running jobs are released.
    pub(crate) fn start(self, tasks: &Tasks) {
        for schedule in self.registry.schedules.clone() {
            let stop = tasks.shutdown().clone();
            tasks.spawn(schedules::follow(schedule, self.pool.clone(), self.worker.clone(), stop));
        }
        tasks.spawn(self.run(tasks.shutdown().clone()));
    }

    async fn run(mut self, shutdown: CancellationToken) {
        let load = Load::new(self.slots, self.registry.kinds.iter().map(|kind| kind.settings));
        let mut running = Running { kinds: self.registry.kinds.clone(), load, attempts: JoinSet::new() };
        let mut ticker = Ticker::new(POLL_INTERVAL, shutdown.clone()).woken_by(self.wake_ups.jobs.clone());
        loop {
            tokio::select! {
                due = ticker.tick() => {
                    if !due {
                        break;
                    }
                    running.load.mark_all_due();
                }
                Some(ended) = running.attempts.join_next() => running.ended(ended),
                Ok(()) = self.orders.changed() => {}
            }
            if self.orders.borrow_and_update().state != WorkerState::Active {
                continue;
            }
            if let Err(error) = self.take_due(&mut running, &shutdown).await {
                tracing::warn!(%error, "could not look for jobs");
            }
        }
        // Each attempt observes the shutdown itself, and releases its job.
        while running.attempts.join_next().await.is_some() {}
    }

    /// Leases jobs until every slot is occupied or nothing more is due.
    async fn take_due(&self, running: &mut Running, shutdown: &CancellationToken) -> sqlx::Result<()> {
        loop {
            let room = running.load.allot();
            if room.is_empty() || shutdown.is_cancelled() {
                return Ok(());
            }
            let wanted = |&(kind, max_jobs): &(usize, usize)| Wanted {
                kind: running.kinds[kind].name,
                max_jobs,
                lease: self.lease,
            };
            let wanted: Vec<_> = room.iter().map(wanted).collect();
            let taken = with_response_timeout(lease::take(&self.pool, &self.worker, &wanted)).await?;
            for (kind, max_jobs) in room {
                let found = taken.iter().filter(|taken| taken.kind == running.kinds[kind].name);
                if found.count() < max_jobs {
                    running.load.ran_dry(kind);
                }
            }
            for taken in taken {
                self.begin(running, taken, shutdown);
            }
        }
    }

    fn begin(&self, running: &mut Running, taken: Taken, shutdown: &CancellationToken) {
        let Some(number) = running.kinds.iter().position(|kind| kind.name == taken.kind) else { return };
        let kind = running.kinds[number].clone();
        let attempt = Attempt { pool: self.pool.clone(), kind, taken, lease: self.lease, shutdown: shutdown.clone() };
        running.load.began(number);
        running.attempts.spawn(async move {
            attempt.run().await;
            number
        });
    }
}

impl Running {
    fn ended(&mut self, ended: Result<usize, tokio::task::JoinError>) {
        match ended {
            Ok(kind) => self.load.ended(kind),
            // A panic of the attempt itself, since it catches those of its job; its slot is lost.
            Err(error) => tracing::error!(%error, "an attempt at a job broke down"),
        }
    }
}
