//! Which jobs of a queue have begun in this process. What Redis thinks to be here and is not among them was never begun, and
//! may be given to others.

use std::{collections::HashSet, sync::Arc};

use parking_lot::Mutex;

#[derive(Clone, Default)]
pub(super) struct Begun(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    tasks: HashSet<String>,
    closed: bool,
}

impl Begun {
    /// Whether the task may begin; from now on it counts as begun, until it is acknowledged.
    pub(super) fn begin(&self, task: String) -> bool {
        let mut state = self.0.lock();
        if !state.closed {
            state.tasks.insert(task);
        }
        !state.closed
    }

    /// They have left the queue.
    pub(super) fn acknowledged(&self, tasks: &[String]) {
        let mut state = self.0.lock();
        for task in tasks {
            state.tasks.remove(task);
        }
    }

    /// No more begins.
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
        let begun = Begun::default();
        assert!(begun.begin("a".to_owned()) && begun.begin("b".to_owned()));
        begun.acknowledged(&["a".to_owned()]);
        begun.close();
        assert!(!begun.begin("c".to_owned()));
        assert_eq!(begun.tasks(), ["b"]);
    }
}
