//! Gathers calls that come while others are under way, and makes them together.
//!
//! A statement for twenty rows costs little more than one for one row. Nobody waits for company: a call that finds a free lane
//! goes at once, alone; what comes while every lane is busy goes together as soon as one is free. So the load decides the size
//! of a batch, and where there is little, there is no delay.

use std::sync::Arc;

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::lifecycle::Tasks;

/// Calls that wait for a lane; beyond it callers wait to be let in.
const WAITING: usize = 4_096;

/// What one batch does: an answer for each item, in their order, or one error for all of them.
pub trait Batch: Send + Sync + 'static {
    type Item: Send + Sync + 'static;
    type Answer: Send + 'static;
    type Error: Send + Sync + 'static;

    fn run(&self, items: &[Self::Item]) -> impl Future<Output = Result<Vec<Self::Answer>, Self::Error>> + Send;

    /// Whether the error may be one item's alone: then each is tried by itself, so that it fails no other.
    fn may_be_one_items(error: &Self::Error) -> bool;
}

/// The error of a call: shared by all that were made together with it.
type Answered<B> = Result<<B as Batch>::Answer, Arc<<B as Batch>::Error>>;
type Waiting<B> = (<B as Batch>::Item, oneshot::Sender<Answered<B>>);

pub struct Batcher<B: Batch> {
    calls: mpsc::Sender<Waiting<B>>,
}

impl<B: Batch> Clone for Batcher<B> {
    fn clone(&self) -> Self {
        Self { calls: self.calls.clone() }
    }
}

impl<B: Batch> Batcher<B> {
    /// At most `lanes` batches at the same time, of at most `most` items each. The lanes end at the shutdown, with what waits then.
    pub fn start(batch: B, lanes: usize, most: usize, tasks: &Tasks) -> Self {
        let (calls, waiting) = mpsc::channel(WAITING);
        let (batch, waiting) = (Arc::new(batch), Arc::new(Mutex::new(waiting)));
        for _ in 0..lanes {
            tasks.spawn(lane(batch.clone(), waiting.clone(), most, tasks.shutdown().clone()));
        }
        Self { calls }
    }

    /// Makes the call, alone or with others. `None` when the lanes have ended.
    pub async fn call(&self, item: B::Item) -> Option<Answered<B>> {
        let (answer, answered) = oneshot::channel();
        self.calls.send((item, answer)).await.ok()?;
        answered.await.ok()
    }
}

async fn lane<B: Batch>(
    batch: Arc<B>,
    waiting: Arc<Mutex<mpsc::Receiver<Waiting<B>>>>,
    most: usize,
    shutdown: CancellationToken,
) {
    loop {
        let mut taken = Vec::new();
        tokio::select! {
            biased;
            count = async { waiting.lock().await.recv_many(&mut taken, most).await } => if count == 0 { return },
            () = shutdown.cancelled() => return,
        }
        // Whoever is ready to call gets the turn to: under load that fills the batch, and otherwise it costs nothing.
        tokio::task::yield_now().await;
        if let Ok(mut waiting) = waiting.try_lock() {
            while taken.len() < most
                && let Ok(more) = waiting.try_recv()
            {
                taken.push(more);
            }
        }
        let (items, callers): (Vec<_>, Vec<_>) = taken.into_iter().unzip();
        match batch.run(&items).await {
            Ok(answers) => callers.into_iter().zip(answers).for_each(|(caller, answer)| _ = caller.send(Ok(answer))),
            Err(error) if items.len() > 1 && B::may_be_one_items(&error) => {
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

    /// Doubles numbers, one batch per permit; cannot stand 13, nor be made to work when it is broken.
    struct Doubling {
        may_run: Arc<Semaphore>,
        sizes: Arc<SyncMutex<Vec<usize>>>,
        broken: bool,
    }

    impl Batch for Doubling {
        type Item = u32;
        type Answer = u32;
        type Error = &'static str;

        async fn run(&self, items: &[u32]) -> Result<Vec<u32>, &'static str> {
            self.may_run.acquire().await.map_err(|_| "closed")?.forget();
            self.sizes.lock().push(items.len());
            match (self.broken, items.contains(&13)) {
                (true, _) => Err("broken"),
                (_, true) => Err("unlucky"),
                _ => Ok(items.iter().map(|n| n * 2).collect()),
            }
        }

        fn may_be_one_items(error: &&'static str) -> bool {
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
