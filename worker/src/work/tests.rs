//! The loop over a real PostgreSQL, with a kind of job that does as its test says.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::{BoxFuture, pending};
use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool};
use tempfile::TempDir;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use troupe_core::{config::Config, ids::JobId, jobs::Payload, lifecycle::Tasks, model::admin::WorkerState};
use troupe_db::{
    jobs::{
        NewJob, Taken, enqueue, finish,
        lease::{self, Wanted},
    },
    operations::workers::Orders,
};
use troupe_engines::{Durability, Postgres};

use super::{Context, Job, JobError, Outcome, Registry, RetryPolicy, Runner, Settings, WakeUps, schedules::Scheduled};

const LEASE: Duration = Duration::from_secs(3);
const DEADLINE: Duration = Duration::from_secs(30);

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("{what}: did not happen"))
}

/// What a job of a test is about.
#[derive(serde::Serialize, serde::Deserialize)]
struct About(String);

impl Payload for About {
    const KIND: &'static str = "scripted";

    fn key(&self) -> Option<String> {
        Some(self.0.clone())
    }
}

fn about(what: &str) -> NewJob {
    NewJob::new(&About(what.to_owned()))
}

type Play = Box<dyn Fn(Context) -> BoxFuture<'static, Result<Outcome, JobError>> + Send + Sync>;

/// A kind that tells of each attempt, and then does as it is told.
struct Scripted {
    begun: mpsc::UnboundedSender<(String, i32)>,
    settings: Settings,
    play: Play,
}

impl Job for Scripted {
    const KIND: &'static str = About::KIND;
    type Payload = About;

    fn settings(&self) -> Settings {
        self.settings
    }

    async fn run(&self, About(what): About, context: &Context) -> Result<Outcome, JobError> {
        self.begun.send((what, context.lease.attempt)).unwrap();
        (self.play)(context.clone()).await
    }
}

const SETTINGS: Settings = Settings {
    weight: 1,
    concurrency: 4,
    retry: RetryPolicy::doubling(Some(3), Duration::from_millis(10), Duration::from_secs(1)),
    time_limit: DEADLINE,
    kept: Duration::from_hours(1),
    dead_letter_kept: None,
};

struct Scene {
    pool: PgPool,
    _postgres: Postgres,
    _directory: TempDir,
}

/// A worker's loop. It dies without a word when it is dropped.
struct Worker {
    tasks: Tasks,
    orders: watch::Sender<Orders>,
    begun: mpsc::UnboundedReceiver<(String, i32)>,
}

impl Scene {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let postgres = Postgres::start(directory.path(), Durability::Throwaway).await.unwrap();
        let environment = [("DATABASE_URL".to_owned(), postgres.url().to_owned())];
        let config = Config::from_sources(None, environment).unwrap();
        let pool = troupe_db::connect(&config.database, "test").await.unwrap();
        Self { pool, _postgres: postgres, _directory: directory }
    }

    fn worker<F>(&self, settings: Settings, play: impl Fn(Context) -> F + Send + Sync + 'static) -> Worker
    where
        F: Future<Output = Result<Outcome, JobError>> + Send + 'static,
    {
        let (tell, begun) = mpsc::unbounded_channel();
        let play: Play = Box::new(move |context| Box::pin(play(context)));
        let registry = Registry::default().with(Scripted { begun: tell, settings, play });
        self.start(registry, begun)
    }

    fn start(&self, registry: Registry, begun: mpsc::UnboundedReceiver<(String, i32)>) -> Worker {
        let tasks = Tasks::default();
        let pool = self.pool.clone();
        let wake_ups = WakeUps::default();
        tasks.spawn(wake_ups.clone().listen(pool.clone(), tasks.shutdown().clone()));
        let (orders, wanted) = watch::channel(Orders { state: WorkerState::Active, slots: 1 });
        let worker = "tested".to_owned();
        Runner { pool, worker, registry, slots: 8, lease: LEASE, wake_ups, orders: wanted }.start(&tasks);
        Worker { tasks, orders, begun }
    }

    async fn enqueue(&self, job: &NewJob) -> bool {
        enqueue(&self.pool, job).await.unwrap()
    }

    /// Takes a job as a worker does of which nobody hears again.
    async fn taken_by_the_dead(&self, lease: Duration) -> Taken {
        let wanted = [Wanted { kind: About::KIND, max_jobs: 1, lease }];
        let looks = async {
            loop {
                if let Some(taken) = lease::take(&self.pool, "dead", &wanted).await.unwrap().pop() {
                    return taken;
                }
            }
        };
        within("a job to take", looks).await
    }

    async fn row(&self, job: JobId) -> Value {
        let row = "select to_jsonb(j) from jobs j where id = $1";
        sqlx::query_scalar(row).bind(job.as_uuid()).fetch_one(&self.pool).await.unwrap()
    }

    /// The job's row once it has this status.
    async fn once(&self, job: JobId, status: &str) -> Value {
        let looks = async {
            loop {
                let row = self.row(job).await;
                if row["status"] == status {
                    return row;
                }
            }
        };
        within(status, looks).await
    }
}

impl Worker {
    async fn begins(&mut self) -> (String, i32) {
        within("a job's begin", self.begun.recv()).await.unwrap()
    }

    async fn stop(self) {
        assert!(self.tasks.finish(DEADLINE).await, "it does not stop");
    }
}

#[expect(clippy::unnecessary_wraps, reason = "what a job returns")]
fn done() -> Result<Outcome, JobError> {
    Ok(Outcome::Done { result: Some(json!({"well": true})) })
}

#[tokio::test]
async fn a_job_starts_when_its_transaction_is_committed_and_not_before() {
    let scene = Scene::new().await;
    let mut worker = scene.worker(SETTINGS, async |_| done());
    let mut transaction = scene.pool.begin().await.unwrap();
    enqueue(&mut *transaction, &about("undone")).await.unwrap();
    transaction.rollback().await.unwrap();
    let mut delays = Vec::new();
    for number in 0..20 {
        let job = about(&number.to_string());
        let began = Instant::now();
        assert!(scene.enqueue(&job).await);
        assert_eq!(worker.begins().await, (number.to_string(), 1));
        delays.push(began.elapsed());
        let row = scene.once(job.id, "done").await;
        assert_eq!((&row["result"], &row["failures"], &row["lapses"]), (&json!({"well": true}), &json!(0), &json!(0)));
    }
    delays.sort_unstable();
    eprintln!("from the commit to the start: {:?} (median), {:?} (longest)", delays[10], delays[19]);
    // Polling alone would take half a second.
    assert!(delays[10] < Duration::from_millis(250), "{delays:?}");
    worker.stop().await;
}

#[tokio::test]
async fn a_dead_workers_job_goes_to_another_and_its_late_word_is_refused() {
    let scene = Scene::new().await;
    let job = about("handed on");
    scene.enqueue(&job).await;
    let dead = scene.taken_by_the_dead(LEASE).await;
    let mut worker = scene.worker(SETTINGS, async |_| done());
    assert_eq!(worker.begins().await, ("handed on".to_owned(), 2));
    let row = scene.once(job.id, "done").await;
    assert_eq!((&row["attempt"], &row["lapses"]), (&json!(2), &json!(1)));

    let (pool, late) = (&scene.pool, dead.lease);
    assert!(!lease::renew(pool, late, LEASE).await.unwrap());
    assert!(!lease::progress(pool, late, &json!(1), LEASE).await.unwrap());
    assert!(!finish::finish(pool, late, Some(&json!({"well": false})), LEASE).await.unwrap());
    assert!(!finish::finish(pool, late, None, Duration::ZERO).await.unwrap());
    assert!(!finish::fail(pool, late, "late", Duration::ZERO).await.unwrap());
    assert!(!finish::put_back(pool, late, Duration::ZERO).await.unwrap());
    assert!(!finish::dead_letter(pool, late, "late", None).await.unwrap());
    assert_eq!(scene.row(job.id).await, row);
    worker.stop().await;
}

/// As long as it lives, a worker keeps what it has, however long that takes; when it has lost it, it stops.
#[tokio::test]
async fn a_lease_is_renewed_and_who_has_lost_it_stops() {
    let scene = Scene::new().await;
    let job = about("long");
    scene.enqueue(&job).await;
    let stopped = CancellationToken::new();
    let held = stopped.clone();
    let mut worker = scene.worker(SETTINGS, move |_| {
        let stopped = held.clone().drop_guard();
        async move {
            let _stopped = stopped;
            pending().await
        }
    });
    worker.begins().await;
    let until = |row: &Value| row["lease_until"].as_str().unwrap().to_owned();
    let first = until(&scene.row(job.id).await);
    within("renewals", async { while until(&scene.row(job.id).await) == first {} }).await;
    assert_eq!(scene.row(job.id).await["attempt"], 1);
    sqlx::query("update jobs set attempt = attempt + 1").execute(&scene.pool).await.unwrap();
    within("the attempt's end", stopped.cancelled()).await;
    assert_eq!(scene.row(job.id).await["status"], "running", "it is another's");
    worker.stop().await;
}

#[tokio::test]
async fn what_fails_is_tried_again_with_backoff_and_ends_as_a_dead_letter() {
    let scene = Scene::new().await;
    let policy = RetryPolicy::doubling(Some(3), Duration::from_millis(100), DEADLINE);
    let mut worker = scene.worker(Settings { retry: policy, ..SETTINGS }, async |_| Err(JobError::failed("no luck")));
    let job = about("unlucky");
    scene.enqueue(&job).await;
    let began = Instant::now();
    for attempt in 1..=3 {
        assert_eq!(worker.begins().await.1, attempt);
    }
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
    let row = scene.once(job.id, "failed").await;
    assert_eq!((&row["error"], &row["failures"]), (&json!("no luck"), &json!(3)));
    assert!(row["expires_at"].is_null(), "it waits for somebody");
    assert!(scene.enqueue(&about("unlucky")).await, "a dead letter is in nobody's way");
    worker.stop().await;
}

#[tokio::test]
async fn a_panic_and_a_job_without_end_are_failures_like_others() {
    let scene = Scene::new().await;
    let (once, limit) = (RetryPolicy { attempts: Some(1), ..SETTINGS.retry }, Duration::from_millis(50));
    let mut worker =
        scene.worker(Settings { retry: once, time_limit: limit, ..SETTINGS }, async |context| match context.failures {
            _ if context.lease.attempt > 1 => done(),
            _ if context.progress.is_some() => pending().await,
            _ => panic!("as scripted"),
        });
    let (panics, hangs) = (about("panics"), about("hangs"));
    scene.enqueue(&panics).await;
    assert_eq!(worker.begins().await.0, "panics");
    assert_eq!(scene.once(panics.id, "failed").await["error"], "it panicked");
    let mut transaction = scene.pool.begin().await.unwrap();
    enqueue(&mut *transaction, &hangs).await.unwrap();
    sqlx::query("update jobs set progress = '1' where id = $1")
        .bind(hangs.id.as_uuid())
        .execute(&mut *transaction)
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(scene.once(hangs.id, "failed").await["error"], "it took longer than 50ms");
    worker.stop().await;
}

/// What kills every process that takes it up is given up before it is run once more, whatever its kind's policy is.
#[tokio::test]
async fn a_poison_job_takes_only_so_many_workers_down() {
    let scene = Scene::new().await;
    let job = about("poison");
    scene.enqueue(&job).await;
    for _ in 0..5 {
        scene.taken_by_the_dead(Duration::ZERO).await;
    }
    let endless = RetryPolicy { attempts: None, ..SETTINGS.retry };
    let mut worker = scene.worker(Settings { retry: endless, ..SETTINGS }, async |_| done());
    let row = scene.once(job.id, "failed").await;
    assert_eq!(row["error"], "its worker fell silent, 5 times");
    let next = about("harmless");
    scene.enqueue(&next).await;
    assert_eq!(worker.begins().await.0, "harmless", "the poison was not touched");
    worker.stop().await;
}

#[tokio::test]
async fn one_job_of_a_key_is_open_and_one_that_is_marked_again_starts_anew() {
    let scene = Scene::new().await;
    let job = about("once");
    assert!(scene.enqueue(&job).await);
    assert!(!scene.enqueue(&about("once")).await);
    assert!(scene.enqueue(&about("another")).await);
    let mut worker = scene.worker(SETTINGS, async |context: Context| {
        // The first attempt says that it is done when it has been overtaken.
        if context.lease.attempt == 1 {
            sqlx::query("update jobs set attempt = attempt + 1, status = 'waiting', lease_until = null where id = $1")
                .bind(context.lease.job.as_uuid())
                .execute(&context.pool)
                .await?;
        }
        done()
    });
    let mut begun: Vec<_> =
        [worker.begins().await, worker.begins().await, worker.begins().await, worker.begins().await].into();
    begun.sort();
    let expected = [("another", 1), ("another", 3), ("once", 1), ("once", 3)];
    assert_eq!(begun, expected.map(|(what, attempt)| (what.to_owned(), attempt)));
    scene.once(job.id, "done").await;
    assert!(scene.enqueue(&about("once")).await, "the key is free again");
    worker.stop().await;
}

#[tokio::test]
async fn a_worker_that_stops_gives_back_at_once_what_runs() {
    let scene = Scene::new().await;
    let job = about("interrupted");
    scene.enqueue(&job).await;
    let mut worker = scene.worker(SETTINGS, async |context: Context| {
        context.report(&json!({"half": "done"})).await?;
        pending().await
    });
    worker.begins().await;
    within("progress", async { while scene.row(job.id).await["progress"].is_null() {} }).await;
    worker.stop().await;
    let row = scene.row(job.id).await;
    assert_eq!((&row["status"], &row["failures"], &row["lapses"]), (&json!("waiting"), &json!(0), &json!(0)));
    let mut other = scene.worker(SETTINGS, async |context: Context| Ok(Outcome::Done { result: context.progress }));
    assert_eq!(other.begins().await.1, 2);
    assert_eq!(scene.once(job.id, "done").await["result"], json!({"half": "done"}));
    other.stop().await;
}

#[tokio::test]
async fn no_more_run_at_once_than_the_kind_allows() {
    let scene = Scene::new().await;
    for number in 0..12 {
        scene.enqueue(&about(&number.to_string())).await;
    }
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let may_end = Arc::new(Semaphore::new(0));
    let (counted, seen, gate) = (running.clone(), most.clone(), may_end.clone());
    let mut worker = scene.worker(Settings { concurrency: 3, ..SETTINGS }, move |_| {
        let (counted, seen, gate) = (counted.clone(), seen.clone(), gate.clone());
        async move {
            seen.fetch_max(counted.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            gate.acquire().await.expect("an open gate").forget();
            counted.fetch_sub(1, Ordering::SeqCst);
            done()
        }
    });
    for _ in 0..3 {
        worker.begins().await;
    }
    let three_run = async {
        while running.load(Ordering::SeqCst) < 3 {
            tokio::task::yield_now().await;
        }
    };
    within("three run at once", three_run).await;
    may_end.add_permits(12);
    for _ in 3..12 {
        worker.begins().await;
    }
    assert_eq!(most.load(Ordering::SeqCst), 3);
    worker.stop().await;
}

#[tokio::test]
async fn a_paused_worker_takes_nothing_and_finishes_what_runs() {
    let scene = Scene::new().await;
    let go_on = CancellationToken::new();
    let gate = go_on.clone();
    let mut worker = scene.worker(SETTINGS, move |_| {
        let gate = gate.clone();
        async move {
            gate.cancelled().await;
            done()
        }
    });
    let (running, waiting) = (about("running"), about("waiting"));
    scene.enqueue(&running).await;
    worker.begins().await;
    worker.orders.send_replace(Orders { state: WorkerState::Paused, slots: 1 });
    scene.enqueue(&waiting).await;
    go_on.cancel();
    scene.once(running.id, "done").await;
    assert_eq!(scene.row(waiting.id).await["status"], "waiting");
    worker.orders.send_replace(Orders { state: WorkerState::Active, slots: 1 });
    assert_eq!(worker.begins().await.0, "waiting");
    scene.once(waiting.id, "done").await;
    worker.stop().await;
}

struct Daily(mpsc::UnboundedSender<(String, i32)>);

impl Scheduled for Daily {
    const NAME: &'static str = "daily";

    fn interval(&self) -> Duration {
        Duration::from_hours(24)
    }

    async fn run(&self, _: &mut PgConnection, _: &CancellationToken) -> sqlx::Result<()> {
        self.0.send(("daily".to_owned(), 1)).unwrap();
        Ok(())
    }
}

#[tokio::test]
async fn a_schedule_puts_one_job_in_for_each_due_moment_however_many_look() {
    let scene = Scene::new().await;
    let counted = "select count(*) filter (where status = 'done'), count(*) from jobs where kind = 'daily'";
    let counts = async || sqlx::query_as::<_, (i64, i64)>(counted).fetch_one(&scene.pool).await.unwrap();
    for runs in 1..=2 {
        let (tell, begun) = mpsc::unbounded_channel();
        let daily = || Registry::default().scheduled(Daily(tell.clone()));
        let others: Vec<_> = (0..3).map(|_| scene.start(daily(), mpsc::unbounded_channel().1)).collect();
        let mut worker = scene.start(daily(), begun);
        assert_eq!(worker.begins().await.0, "daily");
        within("the end of the run", async { while counts().await != (runs, runs) {} }).await;
        for other in others {
            other.stop().await;
        }
        worker.stop().await;
        assert_eq!(counts().await, (runs, runs));
        // Only once all have stopped: each checks when it starts, and that may be late.
        sqlx::query("update schedules set last_run = now() - interval '25 hours'").execute(&scene.pool).await.unwrap();
    }
}
