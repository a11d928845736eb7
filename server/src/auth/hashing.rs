//! Threads for password hashing: few, with bounded queues and low priority.
//!
//! A hash takes a core for some 20 ms, and 19 MiB. On the threads that serve calls, or with a thread per sign-in, it
//! would delay everybody's messages. So hashes go to the idle pool, whose threads run only on otherwise idle cores.
//! Under full load these never run: after a timeout the same hash is also queued at the reserve pool, whose threads are
//! niced but get their share. The first result wins.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};
use troupe_core::metrics::{Held, ObserveTime};

use crate::{http::error::ApiError, metrics::AUTH};

/// How long a caller waits for the idle pool alone: several hashes' time, since a few concurrent sign-ins must not take
/// a core from messages.
const IDLE_CORES_TIMEOUT: Duration = Duration::from_millis(250);

pub(super) struct Threads {
    idle: Pool,
    reserve: Pool,
}

impl Threads {
    /// Starts `threads` of each pool. They end when this is dropped and their queues are empty.
    pub(super) fn start(threads: usize, queue: usize) -> std::io::Result<Self> {
        Ok(Self {
            idle: Pool::start("passwords", threads, queue, priority::idle)?,
            reserve: Pool::start("passwords, late", threads, queue, priority::reserve)?,
        })
    }

    /// Runs `work`, perhaps twice; an error when the queues are full.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Fn() -> T + Send + Sync + 'static,
    ) -> Result<T, ApiError> {
        let _in_flight = Held::of(&AUTH.hashing);
        let began = Instant::now();
        let work = Arc::new(work);
        let done = match self.idle.submit(work.clone()) {
            Ok(mut idle) => {
                if let Ok(done) = timeout(IDLE_CORES_TIMEOUT, &mut idle).await {
                    done
                } else {
                    let reserve = self.reserve.submit(work)?;
                    tokio::select! { done = idle => done, done = reserve => done }
                }
            }
            // While no core is idle, that queue may be full of jobs that the reserve pool has done.
            Err(_) => self.reserve.submit(work)?.await,
        };
        AUTH.hash_duration.observe_time(began.elapsed());
        done.map_err(|_| ApiError::Internal("a hash was not finished".to_owned()))
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// Threads of one priority and their queue.
struct Pool(mpsc::SyncSender<Job>);

impl Pool {
    fn start(name: &str, threads: usize, queue: usize, priority: fn()) -> std::io::Result<Self> {
        let (sender, jobs) = mpsc::sync_channel::<Job>(queue);
        let jobs = Arc::new(Mutex::new(jobs));
        for number in 0..threads {
            let jobs = jobs.clone();
            thread::Builder::new().name(format!("{name} {number}")).spawn(move || {
                priority();
                work(&jobs);
            })?;
        }
        Ok(Self(sender))
    }

    fn submit<T: Send + 'static>(
        &self,
        work: Arc<impl Fn() -> T + Send + Sync + 'static>,
    ) -> Result<oneshot::Receiver<T>, ApiError> {
        let (result, receiver) = oneshot::channel();
        let job = move || {
            // Closed: done by the other pool, or the caller has gone.
            if !result.is_closed() {
                _ = result.send(work());
            }
        };
        self.0.try_send(Box::new(job)).map_err(|_| ApiError::overloaded())?;
        Ok(receiver)
    }
}

fn work(jobs: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        let job = jobs.lock().recv();
        let Ok(job) = job else { return };
        // A panic must not end the thread.
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            tracing::error!("a hash panicked");
        }
    }
}

/// Only Linux has priorities per thread.
#[cfg(target_os = "linux")]
mod priority {
    use thread_priority::{
        NormalThreadSchedulePolicy::Idle, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
        thread_native_id,
    };

    /// Of the reserve pool: beside a busy thread of normal priority it gets a tenth of the core, enough for sign-ins.
    pub(super) const NICENESS: i32 = 10;

    pub(super) fn idle() {
        let idle = ThreadSchedulePolicy::Normal(Idle);
        if let Err(error) = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle) {
            tracing::warn!(%error, "passwords are not hashed by idle cores alone");
            reserve();
        }
    }

    pub(super) fn reserve() {
        if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
            tracing::warn!(%error, "passwords are hashed with the priority of calls");
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod priority {
    pub(super) fn idle() {}
    pub(super) fn reserve() {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::error::ProblemCode;

    /// A job that holds up a thread until it is let go, begun.
    fn holding(crew: &Pool) -> mpsc::Sender<()> {
        let (begun, beginning) = mpsc::channel();
        let (go_on, gate) = mpsc::channel();
        let gate = Mutex::new(gate);
        let job = move || {
            begun.send(()).unwrap();
            _ = gate.lock().recv();
        };
        // Kept for ever: what nobody waits for is not begun.
        crew.submit(Arc::new(job)).map(std::mem::forget).unwrap();
        beginning.recv().unwrap();
        go_on
    }

    #[tokio::test]
    async fn what_is_too_much_is_turned_away_at_once_and_the_rest_is_done() {
        let threads = Threads::start(1, 2).unwrap();
        let held = (holding(&threads.idle), holding(&threads.reserve));
        let mut waiting: Vec<_> = (0..4).map(|number| Box::pin(threads.run(move || number))).collect();
        for one in &mut waiting {
            assert!(futures::poll!(one).is_pending());
        }
        assert_eq!(threads.run(|| 4).await.unwrap_err().code(), ProblemCode::Overloaded);
        drop(held);
        for (number, one) in waiting.into_iter().enumerate() {
            assert_eq!(one.await.unwrap(), number);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_no_idle_core_does_in_time_the_reserve_does() {
        let threads = Threads::start(1, 2).unwrap();
        let _held = holding(&threads.idle);
        let by = threads.run(|| thread::current().name().map(ToOwned::to_owned)).await.unwrap();
        assert_eq!(by.unwrap(), "passwords, late 0");
    }

    #[tokio::test]
    async fn a_panic_ends_no_thread() {
        let threads = Threads::start(1, 2).unwrap();
        let failed = threads.run(|| assert!(std::hint::black_box(false), "on purpose")).await;
        assert!(matches!(failed, Err(ApiError::Internal(_))));
        assert_eq!(threads.run(|| 5).await.unwrap(), 5);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn they_give_way_and_nobody_else_does() {
        use thread_priority::{NormalThreadSchedulePolicy, ThreadSchedulePolicy, thread_schedule_policy};

        let own = || (thread_schedule_policy().unwrap(), rustix::process::getpriority_process(None).unwrap());
        let before = own();
        let threads = Threads::start(1, 2).unwrap();
        let (spare, _) = threads.idle.submit(Arc::new(own)).unwrap().await.unwrap();
        assert_eq!(spare, ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle));
        let (_, reserve) = threads.reserve.submit(Arc::new(own)).unwrap().await.unwrap();
        assert_eq!(reserve, priority::NICENESS);
        assert_eq!(own(), before);
    }
}
