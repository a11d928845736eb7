//! How long a task works: the processor's time while it is polled. Waits do not count, neither for others nor for a core.

use std::{cell::Cell, future::poll_fn, time::Duration};

use rustix::time::{ClockId, clock_gettime};

tokio::task_local! {
    static WORK: Work;
}

#[derive(Default)]
struct Work {
    done: Cell<Duration>,
    /// What the clock of the thread said when it began to poll.
    since: Cell<Option<Duration>>,
}

impl Work {
    fn so_far(&self) -> Duration {
        self.done.get() + self.since.get().map(|since| threads_clock().saturating_sub(since)).unwrap_or_default()
    }
}

/// How long this thread has worked.
fn threads_clock() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap_or_default()
}

/// Counts how long this works; [`so_far`] tells it from within.
pub(crate) fn counted<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let mut work = Box::pin(work);
    let polls = poll_fn(move |context| {
        WORK.with(|counted| counted.since.set(Some(threads_clock())));
        let polled = work.as_mut().poll(context);
        WORK.with(|counted| {
            counted.done.set(counted.so_far());
            counted.since.set(None);
        });
        polled
    });
    WORK.scope(Work::default(), polls)
}

/// Nothing where it is not counted.
pub(crate) fn so_far() -> Duration {
    WORK.try_with(Work::so_far).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;

    const A_WHILE: Duration = Duration::from_millis(2);

    fn work() {
        let began = threads_clock();
        while threads_clock().saturating_sub(began) < A_WHILE {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn work_counts_and_waiting_does_not() {
        let mut counted = pin!(counted(async {
            work();
            let before = so_far();
            tokio::task::yield_now().await;
            work();
            (before, so_far())
        }));
        let mut context = Context::from_waker(Waker::noop());
        let began = threads_clock();
        assert!(counted.as_mut().poll(&mut context).is_pending());
        work();
        let Poll::Ready((before, after)) = counted.poll(&mut context) else { panic!("it waits for nothing") };
        assert!(before >= A_WHILE && after >= before + A_WHILE, "{before:?}, {after:?}");
        assert!(after + A_WHILE <= threads_clock().saturating_sub(began), "{after:?}");
        assert_eq!(so_far(), Duration::ZERO);
    }
}
