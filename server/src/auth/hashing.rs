//! The threads that hash: few, of low priority, with a short queue.
//!
//! A hash takes a core for some twenty milliseconds and 19 MiB. On the threads that serve calls, or on as many threads as
//! there are sign-ins, the messages of everybody else would wait for it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc},
    thread,
};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::error::ApiError;

/// How much these threads give way to others that want the same core (0 not at all, 19 wholly): beside a thread that is
/// always busy they get a tenth of it, enough for sign-ins to go on.
const NICENESS: i32 = 10;

type Job = Box<dyn FnOnce() + Send>;

pub(super) struct Threads(mpsc::SyncSender<Job>);

impl Threads {
    /// They end when this is dropped and what waits is done.
    pub(super) fn start(threads: usize, queue: usize) -> std::io::Result<Self> {
        let (sender, jobs) = mpsc::sync_channel::<Job>(queue);
        let jobs = Arc::new(Mutex::new(jobs));
        for number in 0..threads {
            let jobs = jobs.clone();
            thread::Builder::new().name(format!("passwords {number}")).spawn(move || work(&jobs))?;
        }
        Ok(Self(sender))
    }

    /// Does it when its turn has come; not at all when there is too much already.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let (answer, answered) = oneshot::channel();
        let job = move || {
            // Nobody waits for it any more: the caller has gone.
            if !answer.is_closed() {
                _ = answer.send(work());
            }
        };
        self.0.try_send(Box::new(job)).map_err(|_| ApiError::Overloaded)?;
        answered.await.map_err(|_| ApiError::Internal("a hash was not finished".to_owned()))
    }
}

fn work(jobs: &Mutex<mpsc::Receiver<Job>>) {
    // Linux has a priority for each thread; elsewhere the process keeps its own.
    if cfg!(target_os = "linux")
        && let Err(error) = rustix::process::setpriority_process(None, NICENESS)
    {
        tracing::warn!(%error, "passwords are hashed with the priority of calls");
    }
    loop {
        let job = jobs.lock().recv();
        let Ok(job) = job else { return };
        // The next sign-in wants the thread, whatever became of this one.
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            tracing::error!("a hash panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_too_much_is_turned_away_at_once_and_the_rest_is_done() {
        let threads = Threads::start(1, 2).unwrap();
        let (begun, beginning) = mpsc::channel();
        let (go_on, gate) = mpsc::channel();
        let mut first = Box::pin(threads.run(move || {
            begun.send(()).unwrap();
            gate.recv().unwrap();
            1
        }));
        assert!(futures::poll!(&mut first).is_pending());
        beginning.recv().unwrap();
        let (mut second, mut third) = (Box::pin(threads.run(|| 2)), Box::pin(threads.run(|| 3)));
        assert!(futures::poll!(&mut second).is_pending() && futures::poll!(&mut third).is_pending());
        assert!(matches!(threads.run(|| 4).await, Err(ApiError::Overloaded)));
        go_on.send(()).unwrap();
        assert_eq!([first.await.unwrap(), second.await.unwrap(), third.await.unwrap()], [1, 2, 3]);
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
        let threads = Threads::start(1, 2).unwrap();
        let own = || rustix::process::getpriority_process(None).unwrap();
        let before = own();
        assert_eq!(threads.run(own).await.unwrap(), NICENESS);
        assert_eq!(own(), before);
    }
}
