//! Adaptive batching: calls made while others are in flight are sent as one batch.
//!
//! A statement for twenty rows costs little more than one for one row. Calls are sent immediately while a lane is idle;
//! while all are busy they queue, and go as one batch as soon as a lane is free. So batches grow with the load, and
//! without load there is no delay.

use std::sync::Arc;

use tokio::{
    sync::{Mutex, mpsc, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    lifecycle::Tasks,
    metrics::{ObserveTime, batches::OfBatch},
};

/// Backpressure: callers beyond this wait to be queued.
const MAX_QUEUED_CALLS: usize = 4_096;

/// The call of a batch: an answer for each item, in their order, or one error for all of them.
pub trait Batch: Send + Sync + 'static {
    type Item: Send + Sync + 'static;
    type Answer: Send + 'static;
    type Error: Send + Sync + 'static;

    /// What its metrics call it.
    const NAME: &'static str;

    fn run(&self, items: &[Self::Item]) -> impl Future<Output = Result<Vec<Self::Answer>, Self::Error>> + Send;

    /// Whether a single item may have caused the error: then each is retried by itself, so that it fails no other.
    fn may_concern_one_item(error: &Self::Error) -> bool;
}

/// The error is shared by all calls of a batch.
type CallResult<B> = Result<<B as Batch>::Answer, Arc<<B as Batch>::Error>>;
type QueuedCall<B> = (<B as Batch>::Item, oneshot::Sender<CallResult<B>>);

pub struct Batcher<B: Batch> {
    queue: mpsc::Sender<QueuedCall<B>>,
}

impl<B: Batch> Clone for Batcher<B> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone() }
    }
}

impl<B: Batch> Batcher<B> {
    /// At most `lanes` batches in flight, of at most `max_items` each. At the shutdown the lanes end once the queue is
    /// empty.
    pub fn start(batch: B, lanes: usize, max_items: usize, tasks: &Tasks) -> Self {
        let (queue, queued) = mpsc::channel(MAX_QUEUED_CALLS);
        let batch = Arc::new(batch);
        let queued = Arc::new(Mutex::new(queued));
        for _ in 0..lanes {
            tasks.spawn(lane(batch.clone(), queued.clone(), max_items, tasks.shutdown().clone()));
        }
        Self { queue }
    }

    /// Makes the call, alone or in a batch. `None` when the lanes have ended.
    pub async fn call(&self, item: B::Item) -> Option<CallResult<B>> {
        let (answer, answered) = oneshot::channel();
        self.queue.send((item, answer)).await.ok()?;
        answered.await.ok()
    }
}

async fn lane<B: Batch>(
    batch: Arc<B>,
    queued: Arc<Mutex<mpsc::Receiver<QueuedCall<B>>>>,
    max_items: usize,
    shutdown: CancellationToken,
) {
    let metrics = OfBatch::named(B::NAME);
    loop {
        let mut calls = Vec::new();
        tokio::select! {
            biased;
            count = async { queued.lock().await.recv_many(&mut calls, max_items).await } => if count == 0 { return },
            () = shutdown.cancelled() => return,
        }
        // Lets ready tasks enqueue their calls: under load that fills the batch, and otherwise it costs nothing.
        tokio::task::yield_now().await;
        if let Ok(mut queued) = queued.try_lock() {
            while calls.len() < max_items
                && let Ok(call) = queued.try_recv()
            {
                calls.push(call);
            }
        }
        let (items, callers): (Vec<_>, Vec<_>) = calls.into_iter().unzip();
        metrics.items.observe(items.len() as f64);
        let began = Instant::now();
        let answers = batch.run(&items).await;
        metrics.duration.observe_time(began.elapsed());
        if answers.is_err() {
            metrics.failures.inc();
        }
        match answers {
            Ok(answers) => callers.into_iter().zip(answers).for_each(|(caller, answer)| _ = caller.send(Ok(answer))),
            Err(error) if items.len() > 1 && B::may_concern_one_item(&error) => {
                for (item, caller) in items.iter().zip(callers) {
                    let answer = batch.run(std::slice::from_ref(item)).await.map_err(Arc::new);
                    _ = caller.send(answer.map(|mut answers| answers.remove(0)));
                }
            }
            Err(error) => {
                let error = Arc::new(error);
                for caller in callers {
                    _ = caller.send(Err(error.clone()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::future::join_all;
    use parking_lot::Mutex as SyncMutex;
    use tokio::sync::Semaphore;

    use super::*;

    /// Doubles numbers, one batch per permit; fails at 13, and always when it is broken.
    struct Doubling {
        may_run: Arc<Semaphore>,
        sizes: Arc<SyncMutex<Vec<usize>>>,
        broken: bool,
    }

    impl Batch for Doubling {
        type Item = u32;
        type Answer = u32;
        type Error = &'static str;

        const NAME: &'static str = "doubling";

        async fn run(&self, items: &[u32]) -> Result<Vec<u32>, &'static str> {
            self.may_run.acquire().await.map_err(|_| "closed")?.forget();
            self.sizes.lock().push(items.len());
            match (self.broken, items.contains(&13)) {
                (true, _) => Err("broken"),
                (_, true) => Err("unlucky"),
                _ => Ok(items.iter().map(|n| n * 2).collect()),
            }
        }

        fn may_concern_one_item(error: &&'static str) -> bool {
            *error == "unlucky"
        }
    }

    /// Calls for all of these, the first of which is under way alone when the others come.
    async fn doubled(numbers: &[u32], broken: bool) -> (Vec<Result<u32, &'static str>>, Vec<usize>) {
        let (may_run, sizes) = (Arc::new(Semaphore::new(0)), Arc::default());
        let tasks = Tasks::default();
        let doubling = Doubling { may_run: may_run.clone(), sizes: Arc::clone(&sizes), broken };
        let batcher = Batcher::start(doubling, 1, 64, &tasks);
        let calls = numbers.iter().map(|&n| batcher.call(n));
        let permits = async {
            tokio::task::yield_now().await;
            may_run.add_permits(100);
        };
        let (answers, ()) = tokio::join!(join_all(calls), permits);
        assert!(tasks.finish(Duration::from_secs(5)).await, "the lanes end at the shutdown");
        let answers = answers.into_iter().map(|answer| answer.unwrap().map_err(|error| *error)).collect();
        let sizes = sizes.lock().clone();
        (answers, sizes)
    }

    #[tokio::test]
    async fn each_caller_gets_its_own_answer() {
        let (answers, sizes) = doubled(&[1, 2, 3, 4, 5], false).await;
        assert_eq!(answers, [Ok(2), Ok(4), Ok(6), Ok(8), Ok(10)]);
        assert_eq!(sizes.iter().sum::<usize>(), 5);
        assert!(sizes.len() < 5, "they went one by one: {sizes:?}");
    }

    #[tokio::test]
    async fn an_item_that_cannot_be_done_fails_no_other() {
        assert_eq!(doubled(&[1, 13, 3], false).await.0, [Ok(2), Err("unlucky"), Ok(6)]);
    }

    #[tokio::test]
    async fn what_fails_for_all_is_not_tried_for_each() {
        let (answers, sizes) = doubled(&[1, 2, 3], true).await;
        assert_eq!(answers, [Err("broken"); 3]);
        assert!(sizes.len() < 3, "{sizes:?}");
    }
}
