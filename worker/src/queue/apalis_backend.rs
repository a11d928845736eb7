//! The apalis backend: tasks in apalis-redis's layout, fetched for free slots only and removed when they are acknowledged.
//!
//! apalis drives it (state machine, heartbeat, acknowledgements); apalis-redis lays the queue out and fetches. What differs
//! from apalis-redis's own backend is why this exists (docs/adr/0002): the batch follows the free slots, finished tasks
//! leave no trace, and no error of Redis ends the worker.

use std::{
    convert::Infallible,
    fmt::Display,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use apalis_core::{
    backend::{
        Backend, BackendConfig,
        codec::Codec,
        finalize::Ephemeral,
        persistence::{Persisted, Persistence, TaskEvent, TaskPersistLayer},
    },
    task::Task,
    worker::context::WorkerContext,
};
use apalis_redis::{Config as Layout, queries};
use redis::{RedisResult, Script, aio::ConnectionManager};
use tokio::sync::Mutex;
use troupe_core::{adapters::redis::finished_counter, config::Live, jobs::GenerateReply};

use super::{Slots, connection, started_jobs::Begun};

const HEARTBEAT: Duration = Duration::from_secs(2);
/// A worker that was silent for so many heartbeats is dead, and its tasks are given to others.
const MISSED_HEARTBEATS: usize = 4;
const BATCH: usize = 64;
/// Between tries while Redis is away.
const PAUSE: Duration = Duration::from_millis(250);

/// Tries to hand back at the end; then other workers find out by themselves that this one is gone.
const HAND_BACK_TRIES: u32 = 3;

/// A tier's queue, and who takes from it.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) worker: String,
    pub(super) queue: String,
    pub(super) tier: String,
    /// The tier, as the slots count them.
    pub(super) number: usize,
    pub(super) wake_channel: String,
}

/// One queue in Redis.
#[derive(Clone)]
pub(super) struct RedisTasks {
    connection: ConnectionManager,
    source: Arc<Source>,
    layout: Layout,
    finished_counter: String,
    slots: Arc<Slots>,
    acknowledge: Arc<Script>,
    recover: Arc<Script>,
    hand_back: Arc<Script>,
    /// In a slot, and not begun.
    fetched: Arc<AtomicUsize>,
    begun: Begun,
    /// Finished, and not yet known to be removed.
    finished: Arc<Mutex<Vec<String>>>,
}

impl RedisTasks {
    pub(super) async fn connect(live: &Live, source: Source, slots: Arc<Slots>) -> RedisResult<Self> {
        Ok(Self {
            connection: connection::open(live).await?,
            layout: Layout::default()
                .queue(&source.queue)
                .batch_size(BATCH)
                .heartbeat_interval(HEARTBEAT)
                .missed_heartbeats(MISSED_HEARTBEATS)
                .lock_tasks(false)
                .emit_events(false),
            finished_counter: finished_counter(&source.queue),
            source: Arc::new(source),
            slots,
            acknowledge: Arc::new(Script::new(include_str!("acknowledge.lua"))),
            recover: Arc::new(Script::new(include_str!("recover.lua"))),
            hand_back: Arc::new(Script::new(include_str!("hand_back.lua"))),
            fetched: Arc::default(),
            begun: Begun::default(),
            finished: Arc::default(),
        })
    }

    pub(super) fn worker(&self) -> &str {
        &self.source.worker
    }

    pub(super) fn number(&self) -> usize {
        self.source.number
    }

    pub(super) fn tier(&self) -> &str {
        &self.source.tier
    }

    pub(super) fn slots(&self) -> &Arc<Slots> {
        &self.slots
    }

    /// When the consumer has ended: what it had fetched and not begun will not begin here.
    pub(super) fn forget_fetched(&self) {
        self.slots.abandon(self.source.number, self.fetched.swap(0, Ordering::AcqRel));
    }

    /// At the end: nothing more begins here, and what was fetched and has not begun is for other workers at once. A fetch that
    /// is still under way went out before on the same connection, so what it takes is seen here too.
    pub(super) async fn hand_back_unbegun(&self) {
        self.begun.close();
        let mut connection = self.connection.clone();
        for _ in 0..HAND_BACK_TRIES {
            let back: Result<u64, _> = self
                .hand_back
                .key(format!("{}:{}", self.layout.inflight_jobs_set(), self.source.worker))
                .key(self.layout.active_jobs_list())
                .arg(&self.source.wake_channel)
                .arg(&self.source.tier)
                .arg(self.begun.tasks())
                .invoke_async(&mut connection)
                .await;
            match back {
                Ok(0) => return,
                Ok(jobs) => return tracing::info!(jobs, "handed back what had not begun"),
                Err(error) => pause_after("hand back", &error).await,
            }
        }
    }

    async fn beat(&mut self, worker: &WorkerContext) {
        let recovered: Result<u64, _> = self
            .recover
            .key(self.layout.workers_set())
            .key(self.layout.active_jobs_list())
            .key(self.layout.inflight_jobs_set())
            .arg(seconds_now())
            .arg(worker.name().to_string())
            .arg(self.layout.orphaned_duration().as_secs())
            .arg(self.begun.tasks())
            .invoke_async(&mut self.connection)
            .await;
        match recovered {
            Ok(0) => {}
            Ok(tasks) => {
                tracing::info!(tasks, "took back what a dead worker held, or what had not arrived here");
                self.slots.announce(self.source.number);
            }
            Err(error) => pause_after("heartbeat", &error).await,
        }
    }

    async fn remove_finished(&mut self, worker: &WorkerContext) {
        let mut finished = self.finished.lock().await;
        if finished.is_empty() {
            return;
        }
        let removed: Result<u64, _> = self
            .acknowledge
            .key(self.layout.inflight_set_for(worker))
            .key(self.layout.job_data_hash())
            .key(self.layout.job_meta_hash())
            .key(&self.finished_counter)
            .arg(&*finished)
            .invoke_async(&mut self.connection)
            .await;
        match removed {
            Ok(_) => {
                self.begun.acknowledged(&finished);
                finished.clear();
            }
            // They stay in the list for the next time; until then they are only clutter.
            Err(error) => pause_after("acknowledge", &error).await,
        }
    }
}

async fn pause_after(what: &str, error: &impl Display) {
    tracing::warn!(%error, what, "the queue does not answer");
    tokio::time::sleep(PAUSE).await;
}

fn seconds_now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl Persistence for RedisTasks {
    type Compact = Vec<u8>;
    type Response = ();
    type Error = Infallible;

    async fn register(&mut self, worker: &WorkerContext) -> Result<(), Infallible> {
        self.beat(worker).await;
        Ok(())
    }

    async fn heartbeat(&mut self, worker: &WorkerContext) -> Result<(), Infallible> {
        self.beat(worker).await;
        self.remove_finished(worker).await;
        Ok(())
    }

    async fn fetch_next(&mut self, worker: &WorkerContext) -> Result<Vec<Task<Vec<u8>>>, Infallible> {
        let slots = self.slots.reserve(self.source.number, self.layout.batch_size);
        if slots.count() == 0 {
            return Ok(Vec::new());
        }
        let layout = self.layout.clone().batch_size(slots.count());
        match queries::fetch_next(&mut self.connection, worker, &layout).await {
            Ok(tasks) => {
                self.fetched.fetch_add(tasks.len(), Ordering::AcqRel);
                slots.filled(tasks.len());
                Ok(tasks)
            }
            Err(error) => {
                pause_after("fetch", &error).await;
                // Redis may have lost its data, and with it who we are.
                self.beat(worker).await;
                Ok(Vec::new())
            }
        }
    }

    async fn handle_events(&mut self, events: Vec<TaskEvent<()>>, worker: &WorkerContext) -> Result<(), Infallible> {
        let ended = events.into_iter().filter_map(|event| match event {
            TaskEvent::Complete(result) => Some(result.task_id.to_string()),
            _ => None,
        });
        self.finished.lock().await.extend(ended);
        self.remove_finished(worker).await;
        Ok(())
    }

    async fn reenqueue_abandoned(&mut self, _: Vec<Task<Vec<u8>>>, _: &WorkerContext) -> Result<u64, Infallible> {
        // It was handed back when the end began: apalis calls this when all that runs has ended.
        Ok(0)
    }

    async fn push_tasks(&mut self, _: Vec<Task<Vec<u8>>>) -> Result<(), Infallible> {
        // Workers consume; the pushing side is shared::adapters::redis::RedisJobQueue.
        Ok(())
    }
}

/// The backend of one consumer: decodes what [`RedisTasks`] fetches.
pub(super) struct ReplyTasks {
    source: Persisted<RedisTasks>,
    layout: Layout,
}

impl ReplyTasks {
    pub(super) fn new(source: RedisTasks) -> Self {
        let layout = source.layout.clone();
        Self { source: Persisted::new(source), layout }
    }
}

impl Backend for ReplyTasks {
    type Task = Task<GenerateReply>;
    type Error = Infallible;

    fn poll_ready(&mut self, cx: &mut Context<'_>, worker: &WorkerContext) -> Poll<Result<(), Infallible>> {
        self.source.poll_ready(cx, worker, HEARTBEAT)
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        worker: &WorkerContext,
    ) -> Poll<Option<Result<Self::Task, Infallible>>> {
        loop {
            let Some(Ok(task)) = ready!(self.source.poll_next(cx, worker)) else { return Poll::Ready(None) };
            let name = task.task_id().map(ToString::to_string).unwrap_or_default();
            if !self.source.begun.begin(name) {
                // It has been handed back; the end follows.
                return Poll::Pending;
            }
            self.source.fetched.fetch_sub(1, Ordering::AcqRel);
            match task.try_map_args(|payload| serde_json::from_slice(&payload)) {
                Ok(task) => return Poll::Ready(Some(Ok(task))),
                Err(error) => {
                    tracing::error!(%error, "a job that cannot be read is dropped; its request stays with the sweeper");
                    self.source.slots.give_back(self.source.number(), 1);
                }
            }
        }
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, worker: &WorkerContext) -> Poll<Result<(), Infallible>> {
        self.source.poll_close(cx, worker)
    }
}

impl BackendConfig for ReplyTasks {
    type Args = GenerateReply;
    type Id = String;
    type Kind = Ephemeral;
    type Config = Layout;
    type Layer = TaskPersistLayer<NoResult, ()>;

    fn config(&self) -> &Layout {
        &self.layout
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Self::Layer {
        self.source.layer(NoResult, BATCH).persist_results(true).lock_tasks(false)
    }
}

/// What became of a request is in PostgreSQL: a job has no result of its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct NoResult;

impl Codec<()> for NoResult {
    type Error = Infallible;
    type Compact = ();

    fn encode(&self, (): &()) -> Result<(), Infallible> {
        Ok(())
    }

    fn decode(&self, (): &()) -> Result<(), Infallible> {
        Ok(())
    }
}
