//! Slots: how many replies a process writes at the same time. Jobs are fetched only for slots that are free, so that none
//! waits in one worker while another idles.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;

pub(crate) struct Slots {
    free: AtomicUsize,
    running: AtomicUsize,
    ended: Notify,
}

/// Slots taken for jobs that are not there yet; free again when dropped.
pub(super) struct Reserved {
    slots: Arc<Slots>,
    count: usize,
}

/// A slot with a running job in it; free again when dropped.
pub(crate) struct Occupied(Arc<Slots>);

impl Slots {
    pub(crate) fn new(all: usize) -> Arc<Self> {
        Arc::new(Self { free: AtomicUsize::new(all), running: AtomicUsize::new(0), ended: Notify::new() })
    }

    /// Takes up to so many slots.
    pub(super) fn reserve(self: &Arc<Self>, wanted: usize) -> Reserved {
        let mut count = 0;
        _ = self.free.fetch_update(Ordering::AcqRel, Ordering::Acquire, |free| {
            count = free.min(wanted);
            Some(free - count)
        });
        Reserved { slots: self.clone(), count }
    }

    /// Begins a job in a slot that was reserved and filled.
    pub(super) fn occupy(self: &Arc<Self>) -> Occupied {
        self.running.fetch_add(1, Ordering::AcqRel);
        Occupied(self.clone())
    }

    /// For jobs that were fetched and will not begin.
    pub(super) fn give_back(&self, filled: usize) {
        self.free.fetch_add(filled, Ordering::AcqRel);
    }

    /// Returns when no job runs.
    pub(crate) async fn idle(&self) {
        loop {
            let ended = self.ended.notified();
            if self.running.load(Ordering::Acquire) == 0 {
                return;
            }
            ended.await;
        }
    }
}

impl Reserved {
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// So many have a job now; the rest is free again.
    pub(super) fn filled(mut self, jobs: usize) {
        self.count = self.count.saturating_sub(jobs);
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.slots.give_back(self.count);
    }
}

impl Drop for Occupied {
    fn drop(&mut self) {
        self.0.give_back(1);
        self.0.running.fetch_sub(1, Ordering::AcqRel);
        self.0.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn never_more_than_there_are() {
        let slots = Slots::new(3);
        let (two, one) = (slots.reserve(2), slots.reserve(2));
        assert_eq!((two.count(), one.count(), slots.reserve(2).count()), (2, 1, 0));
        two.filled(1);
        assert_eq!(slots.reserve(2).count(), 1);
        let running = slots.occupy();
        drop(one);
        assert_eq!(slots.reserve(9).count(), 2);
        drop(running);
        slots.idle().await;
        assert_eq!(slots.reserve(9).count(), 3);
    }
}
