//! The loop, for all kinds: takes what is due for slots that are free, and starts it.

use std::{sync::Arc, time::Duration};

use sqlx::PgPool;
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;
use troupe_core::{lifecycle::Tasks, model::admin::WorkerState};
use troupe_db::{
    jobs::lease::{self, Taken, Wanted},
    operations::workers::Orders,
};

use super::{Registry, Ticker, WakeUps, attempt::Attempt, load::Load, registry::Kind, schedules};

/// An announcement that was lost costs at most this, and a pause ends so exactly.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

pub(crate) struct Runner {
    pub(crate) pool: PgPool,
    pub(crate) worker: String,
    pub(crate) registry: Registry,
    /// Jobs that run at the same time in this process, of all kinds.
    pub(crate) slots: usize,
    /// A job whose worker has not renewed its lease for so long is given to another.
    pub(crate) lease: Duration,
    pub(crate) wake_ups: WakeUps,
    /// What admins want: a worker that is not active takes nothing.
    pub(crate) orders: watch::Receiver<Orders>,
}

/// What the loop knows between two looks.
struct Running {
    kinds: Vec<Arc<Kind>>,
    load: Load,
    attempts: JoinSet<usize>,
}

impl Runner {
    /// Starts the loop and the schedules; they end with the tasks' shutdown, and what runs is given back.
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
                goes_on = ticker.tick() => {
                    if !goes_on {
                        break;
                    }
                    running.load.look_again();
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
        // Each attempt hears of the shutdown by itself, and gives its job back.
        while running.attempts.join_next().await.is_some() {}
    }

    /// Takes jobs until every slot is taken or nothing more is due.
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
            let taken = lease::take(&self.pool, &self.worker, &wanted).await?;
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
            // An attempt catches its job's panics; this one was the attempt's own, and its slot is lost with it.
            Err(error) => tracing::error!(%error, "an attempt at a job broke down"),
        }
    }
}
