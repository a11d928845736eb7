//! The apalis backend: tasks in the layout of apalis-redis, fetched for free slots only and deleted when they are
//! acknowledged.
//!
//! apalis drives it (state machine, heartbeat, acknowledgements); apalis-redis defines the layout and fetches. It
//! differs from apalis-redis's own backend in three ways (docs/adr/0002): the batch follows the free slots, finished
//! tasks leave no trace, and no error of Redis ends the worker.

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
use redis::Script;
use tokio::sync::Mutex;
use troupe_core::{
    adapters::redis::{QueueConnection, RedisHandle, finished_counter},
    jobs::GenerateReply,
    ports::PortError,
};

use super::{Slots, started_jobs::StartedJobs};

const HEARTBEAT: Duration = Duration::from_secs(2);
/// A worker with as many missed heartbeats is dead, and its tasks go to others.
const MAX_MISSED_HEARTBEATS: usize = 4;
const MAX_BATCH: usize = 64;
/// Between retries while Redis is away.
const RETRY_PAUSE: Duration = Duration::from_millis(250);
/// At shutdown; after that other workers recover the tasks by the missed heartbeats.
const MAX_HAND_BACK_TRIES: u32 = 3;

/// A tier's queue and its consumer.
#[derive(Clone)]
pub(super) struct TierQueue {
    pub(super) worker: String,
    pub(super) name: String,
    pub(super) tier: String,
    /// The tier's index in the slots.
    pub(super) tier_index: usize,
    pub(super) wake_channel: String,
}

/// One queue in Redis.
#[derive(Clone)]
pub(super) struct RedisTasks {
    connection: QueueConnection,
    queue: Arc<TierQueue>,
    layout: Layout,
    finished_counter: String,
    slots: Arc<Slots>,
    acknowledge: Arc<Script>,
    recover: Arc<Script>,
    hand_back: Arc<Script>,
    /// Fetched into a slot, and not started.
    fetched: Arc<AtomicUsize>,
    started: StartedJobs,
    /// Finished, and not yet deleted for certain.
    finished: Arc<Mutex<Vec<String>>>,
}

impl RedisTasks {
    pub(super) async fn connect(redis: &RedisHandle, queue: TierQueue, slots: Arc<Slots>) -> Result<Self, PortError> {
        Ok(Self {
            connection: redis.queue_connection(&queue.name).await?,
            layout: Layout::default()
                .queue(&queue.name)
                .batch_size(MAX_BATCH)
                .heartbeat_interval(HEARTBEAT)
                .missed_heartbeats(MAX_MISSED_HEARTBEATS)
                .lock_tasks(false)
                .emit_events(false),
            finished_counter: finished_counter(&queue.name),
            queue: Arc::new(queue),
            slots,
            acknowledge: Arc::new(Script::new(include_str!("acknowledge.lua"))),
            recover: Arc::new(Script::new(include_str!("recover.lua"))),
            hand_back: Arc::new(Script::new(include_str!("hand_back.lua"))),
            fetched: Arc::default(),
            started: StartedJobs::default(),
            finished: Arc::default(),
        })
    }

    pub(super) fn worker(&self) -> &str {
        &self.queue.worker
    }

    pub(super) fn tier_index(&self) -> usize {
        self.queue.tier_index
    }

    pub(super) fn tier(&self) -> &str {
        &self.queue.tier
    }

    pub(super) fn slots(&self) -> &Arc<Slots> {
        &self.slots
    }

    /// When the consumer has ended: what it had fetched and not started will not start here.
    pub(super) fn forget_fetched(&self) {
        self.slots.abandon(self.queue.tier_index, self.fetched.swap(0, Ordering::AcqRel));
    }

    /// At shutdown: no more jobs start here, and those that were fetched and have not started go back for other workers
    /// at once. A fetch in flight was sent before on the same connection, so its jobs are included.
    pub(super) async fn hand_back_unstarted(&self) {
        self.started.close();
        let mut connection = self.connection.clone();
        for _ in 0..MAX_HAND_BACK_TRIES {
            let back: Result<u64, _> = self
                .hand_back
                .key(format!("{}:{}", self.layout.inflight_jobs_set(), self.queue.worker))
                .key(self.layout.active_jobs_list())
                .arg(&self.queue.wake_channel)
                .arg(&self.queue.tier)
                .arg(self.started.tasks())
                .invoke_async(&mut connection)
                .await;
            match back {
                Ok(0) => return,
                Ok(jobs) => return tracing::info!(jobs, "handed back jobs that had not started"),
                Err(error) => pause_after("hand back", &error).await,
            }
        }
    }

    async fn send_heartbeat(&mut self, worker: &WorkerContext) {
        let recovered: Result<u64, _> = self
            .recover
            .key(self.layout.workers_set())
            .key(self.layout.active_jobs_list())
            .key(self.layout.inflight_jobs_set())
            .arg(seconds_now())
            .arg(worker.name().to_string())
            .arg(self.layout.orphaned_duration().as_secs())
            .arg(self.started.tasks())
            .invoke_async(&mut self.connection)
            .await;
        match recovered {
            Ok(0) => {}
            Ok(tasks) => {
                tracing::info!(tasks, "recovered jobs of a dead worker, or jobs that were lost on the way here");
                self.slots.wake_up(self.queue.tier_index);
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
                self.started.acknowledged(&finished);
                finished.clear();
            }
            // They stay in the list for the next time, and do no harm until then.
            Err(error) => pause_after("acknowledge", &error).await,
        }
    }
}

async fn pause_after(what: &str, error: &impl Display) {
    tracing::warn!(%error, what, "the queue does not answer");
    tokio::time::sleep(RETRY_PAUSE).await;
}

fn seconds_now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl Persistence for RedisTasks {
    type Compact = Vec<u8>;
    type Response = ();
    type Error = Infallible;

    async fn register(&mut self, worker: &WorkerContext) -> Result<(), Infallible> {
        self.send_heartbeat(worker).await;
        Ok(())
    }

    async fn heartbeat(&mut self, worker: &WorkerContext) -> Result<(), Infallible> {
        self.send_heartbeat(worker).await;
        self.remove_finished(worker).await;
        Ok(())
    }

    async fn fetch_next(&mut self, worker: &WorkerContext) -> Result<Vec<Task<Vec<u8>>>, Infallible> {
        let slots = self.slots.reserve(self.queue.tier_index, self.layout.batch_size);
        if slots.count() == 0 {
            return Ok(Vec::new());
        }
        let layout = self.layout.clone().batch_size(slots.count());
        match queries::fetch_next(&mut self.connection, worker, &layout).await {
            Ok(tasks) => {
                self.fetched.fetch_add(tasks.len(), Ordering::AcqRel);
                slots.fill(tasks.len());
                Ok(tasks)
            }
            Err(error) => {
                pause_after("fetch", &error).await;
                // Redis may have lost its data, and with it our registration.
                self.send_heartbeat(worker).await;
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
        // Handed back at the beginning of the shutdown: apalis calls this only when all running jobs have ended.
        Ok(0)
    }

    async fn push_tasks(&mut self, _: Vec<Task<Vec<u8>>>) -> Result<(), Infallible> {
        // Workers only consume; the producer is troupe_core::adapters::redis::RedisJobQueue.
        Ok(())
    }
}

/// The backend of one consumer: decodes the tasks of [`RedisTasks`].
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
            if !self.source.started.start(name) {
                // It has been handed back: the process stops.
                return Poll::Pending;
            }
            self.source.fetched.fetch_sub(1, Ordering::AcqRel);
            match task.try_map_args(|payload| serde_json::from_slice(&payload)) {
                Ok(task) => return Poll::Ready(Some(Ok(task))),
                Err(error) => {
                    tracing::error!(%error, "a job that cannot be read is dropped; its request stays with the sweeper");
                    self.source.slots.free(self.source.tier_index(), 1);
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
        self.source.layer(NoResult, MAX_BATCH).persist_results(true).lock_tasks(false)
    }
}

/// Jobs have no result: the request's is in PostgreSQL.
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
