//! The CPU time of a task: that of its thread while it is polled. Waiting does not count, neither for others nor for a
//! core.

use std::{cell::Cell, future::poll_fn, time::Duration};

use rustix::time::{ClockId, clock_gettime};

tokio::task_local! {
    static CPU_TIME: CpuTime;
}

#[derive(Default)]
struct CpuTime {
    /// Of the polls before.
    total: Cell<Duration>,
    /// The thread's clock when the current poll began.
    poll_began: Cell<Option<Duration>>,
}

impl CpuTime {
    fn used(&self) -> Duration {
        let current = self.poll_began.get().map(|began| thread_clock().saturating_sub(began));
        self.total.get() + current.unwrap_or_default()
    }
}

fn thread_clock() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap_or_default()
}

/// Measures the task; [`used`] reads it from within.
pub(crate) fn measured<F: Future>(task: F) -> impl Future<Output = F::Output> {
    let mut task = Box::pin(task);
    let polls = poll_fn(move |context| {
        CPU_TIME.with(|time| time.poll_began.set(Some(thread_clock())));
        let polled = task.as_mut().poll(context);
        CPU_TIME.with(|time| {
            time.total.set(time.used());
            time.poll_began.set(None);
        });
        polled
    });
    CPU_TIME.scope(CpuTime::default(), polls)
}

/// Zero in a task that is not measured.
pub(crate) fn used() -> Duration {
    CPU_TIME.try_with(CpuTime::used).unwrap_or_default()
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
        let began = thread_clock();
        while thread_clock().saturating_sub(began) < A_WHILE {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn work_counts_and_waiting_does_not() {
        let mut task = pin!(measured(async {
            work();
            let before = used();
            tokio::task::yield_now().await;
            work();
            (before, used())
        }));
        let mut context = Context::from_waker(Waker::noop());
        let began = thread_clock();
        assert!(task.as_mut().poll(&mut context).is_pending());
        work();
        let Poll::Ready((before, after)) = task.poll(&mut context) else { panic!("it waits for nothing") };
        assert!(before >= A_WHILE && after >= before + A_WHILE, "{before:?}, {after:?}");
        assert!(after + A_WHILE <= thread_clock().saturating_sub(began), "{after:?}");
        assert_eq!(used(), Duration::ZERO);
    }
}
