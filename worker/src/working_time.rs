//! How long a task works: the time in which it is polled, not that in which it waits for others.

use std::{
    cell::Cell,
    future::poll_fn,
    pin::pin,
    time::{Duration, Instant},
};

tokio::task_local! {
    static WORK: Work;
}

#[derive(Default)]
struct Work {
    done: Cell<Duration>,
    /// Since when it is being polled.
    since: Cell<Option<Instant>>,
}

impl Work {
    fn so_far(&self) -> Duration {
        self.done.get() + self.since.get().map(|since| since.elapsed()).unwrap_or_default()
    }
}

/// Counts how long this works; [`so_far`] tells it from within.
pub(crate) async fn counted<F: Future>(work: F) -> F::Output {
    let polls = async {
        let mut work = pin!(work);
        poll_fn(|context| {
            WORK.with(|counted| counted.since.set(Some(Instant::now())));
            let polled = work.as_mut().poll(context);
            WORK.with(|counted| {
                counted.done.set(counted.so_far());
                counted.since.set(None);
            });
            polled
        })
        .await
    };
    WORK.scope(Work::default(), polls).await
}

/// Nothing where it is not counted.
pub(crate) fn so_far() -> Duration {
    WORK.try_with(Work::so_far).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    const A_WHILE: Duration = Duration::from_millis(2);

    fn work() {
        let began = Instant::now();
        while began.elapsed() < A_WHILE {
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
        let began = Instant::now();
        assert!(counted.as_mut().poll(&mut context).is_pending());
        work();
        let Poll::Ready((before, after)) = counted.poll(&mut context) else { panic!("it waits for nothing") };
        assert!(before >= A_WHILE && after >= before + A_WHILE, "{before:?}, {after:?}");
        assert!(after + A_WHILE <= began.elapsed(), "{after:?}");
        assert_eq!(so_far(), Duration::ZERO);
    }
}
