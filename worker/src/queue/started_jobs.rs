//! The jobs of a queue that have started in this process. A job that Redis lists as in flight here and that is not
//! among them never started, and may go to another worker.

use std::{collections::HashSet, sync::Arc};

use parking_lot::Mutex;

#[derive(Clone, Default)]
pub(super) struct StartedJobs(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    tasks: HashSet<String>,
    closed: bool,
}

impl StartedJobs {
    /// Whether the task may start; it counts as started until it is acknowledged.
    pub(super) fn start(&self, task: String) -> bool {
        let mut state = self.0.lock();
        if !state.closed {
            state.tasks.insert(task);
        }
        !state.closed
    }

    /// These have left the queue.
    pub(super) fn acknowledged(&self, tasks: &[String]) {
        let mut state = self.0.lock();
        for task in tasks {
            state.tasks.remove(task);
        }
    }

    /// No more tasks start.
    pub(super) fn close(&self) {
        self.0.lock().closed = true;
    }

    pub(super) fn tasks(&self) -> Vec<String> {
        self.0.lock().tasks.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_begins_after_the_end() {
        let jobs = StartedJobs::default();
        assert!(jobs.start("a".to_owned()) && jobs.start("b".to_owned()));
        jobs.acknowledged(&["a".to_owned()]);
        jobs.close();
        assert!(!jobs.start("c".to_owned()));
        assert_eq!(jobs.tasks(), ["b"]);
    }
}
