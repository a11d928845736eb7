//! The threads that hash: few, with short queues, and only with what the others leave of the cores.
//!
//! A hash takes a core for some twenty milliseconds and 19 MiB. On the threads that serve calls, or on as many threads
//! as there are sign-ins, the messages of everybody else would wait for it. So a hash is for the spare threads, which
//! run where a core has nothing else to do. Where there is no such core, it would never be done: one that keeps its
//! caller waiting is done once more, by the reserve, which gives way but gets its share. Whoever is done first has done
//! it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{sync::oneshot, time::timeout};

use crate::http::error::ApiError;

/// How long a caller waits for the spare threads alone: as long as some hashes take, since a few sign-ins at once are
/// no reason to take a core from messages.
const IDLE_CORES_TIMEOUT: Duration = Duration::from_millis(250);

pub(super) struct Threads {
    spare: Crew,
    reserve: Crew,
}

impl Threads {
    /// As many of each kind. They end when this is dropped and what waits is done.
    pub(super) fn start(threads: usize, queue: usize) -> std::io::Result<Self> {
        Ok(Self {
            spare: Crew::start("passwords", threads, queue, priority::spare)?,
            reserve: Crew::start("passwords, late", threads, queue, priority::reserve)?,
        })
    }

    /// Does it when its turn has come, perhaps twice; not at all when there is too much already.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Fn() -> T + Send + Sync + 'static,
    ) -> Result<T, ApiError> {
        let work = Arc::new(work);
        let done = match self.spare.give(work.clone()) {
            Ok(mut spare) => {
                if let Ok(done) = timeout(IDLE_CORES_TIMEOUT, &mut spare).await {
                    done
                } else {
                    let reserve = self.reserve.give(work)?;
                    tokio::select! { done = spare => done, done = reserve => done }
                }
            }
            // Where no core is idle, what waits there may have been done long ago.
            Err(_) => self.reserve.give(work)?.await,
        };
        done.map_err(|_| ApiError::Internal("a hash was not finished".to_owned()))
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// Threads of one priority, and their queue.
struct Crew(mpsc::SyncSender<Job>);

impl Crew {
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

    fn give<T: Send + 'static>(
        &self,
        work: Arc<impl Fn() -> T + Send + Sync + 'static>,
    ) -> Result<oneshot::Receiver<T>, ApiError> {
        let (answer, answered) = oneshot::channel();
        let job = move || {
            // Nobody waits for it any more: it was done elsewhere, or the caller has gone.
            if !answer.is_closed() {
                _ = answer.send(work());
            }
        };
        self.0.try_send(Box::new(job)).map_err(|_| ApiError::overloaded())?;
        Ok(answered)
    }
}

fn work(jobs: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        let job = jobs.lock().recv();
        let Ok(job) = job else { return };
        // The next sign-in wants the thread, whatever became of this one.
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            tracing::error!("a hash panicked");
        }
    }
}

/// Linux has a priority for each thread; elsewhere all of a process have the same.
#[cfg(target_os = "linux")]
mod priority {
    use thread_priority::{
        NormalThreadSchedulePolicy::Idle, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
        thread_native_id,
    };

    /// How much the reserve gives way to others that want the same core (0 not at all, 19 wholly): beside a thread that
    /// is always busy it gets a tenth of it, enough for sign-ins to go on.
    pub(super) const NICENESS: i32 = 10;

    pub(super) fn spare() {
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
    pub(super) fn spare() {}
    pub(super) fn reserve() {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::error::ProblemCode;

    /// A job that holds up a thread until it is let go, begun.
    fn holding(crew: &Crew) -> mpsc::Sender<()> {
        let (begun, beginning) = mpsc::channel();
        let (go_on, gate) = mpsc::channel();
        let gate = Mutex::new(gate);
        let job = move || {
            begun.send(()).unwrap();
            _ = gate.lock().recv();
        };
        // Kept for ever: what nobody waits for is not begun.
        crew.give(Arc::new(job)).map(std::mem::forget).unwrap();
        beginning.recv().unwrap();
        go_on
    }

    #[tokio::test]
    async fn what_is_too_much_is_turned_away_at_once_and_the_rest_is_done() {
        let threads = Threads::start(1, 2).unwrap();
        let held = (holding(&threads.spare), holding(&threads.reserve));
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
        let _held = holding(&threads.spare);
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
        let (spare, _) = threads.spare.give(Arc::new(own)).unwrap().await.unwrap();
        assert_eq!(spare, ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle));
        let (_, reserve) = threads.reserve.give(Arc::new(own)).unwrap().await.unwrap();
        assert_eq!(reserve, priority::NICENESS);
        assert_eq!(own(), before);
    }
}
