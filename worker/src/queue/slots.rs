//! Slots: how many replies a process writes at the same time. Jobs are fetched only for slots that are free, so that none
//! waits in one worker while another idles.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;

pub(crate) struct Slots {
    free: AtomicUsize,
    all: usize,
    freed: Notify,
}

/// A slot with a running job in it; free again when dropped.
pub(crate) struct Occupied(Arc<Slots>);

impl Slots {
    pub(crate) fn new(all: usize) -> Arc<Self> {
        Arc::new(Self { free: AtomicUsize::new(all), all, freed: Notify::new() })
    }

    /// Takes up to so many slots, and says how many.
    pub(super) fn take(&self, wanted: usize) -> usize {
        let mut taken = 0;
        _ = self.free.fetch_update(Ordering::AcqRel, Ordering::Acquire, |free| {
            taken = free.min(wanted);
            Some(free - taken)
        });
        taken
    }

    pub(super) fn give_back(&self, slots: usize) {
        self.free.fetch_add(slots, Ordering::AcqRel);
        self.freed.notify_waiters();
    }

    /// For a job that was fetched into a slot taken before.
    pub(super) fn occupied(self: &Arc<Self>) -> Occupied {
        Occupied(self.clone())
    }

    /// Returns when nothing runs.
    pub(crate) async fn all_free(&self) {
        loop {
            let freed = self.freed.notified();
            if self.free.load(Ordering::Acquire) >= self.all {
                return;
            }
            freed.await;
        }
    }
}

impl Drop for Occupied {
    fn drop(&mut self) {
        self.0.give_back(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn never_more_than_there_are() {
        let slots = Slots::new(3);
        assert_eq!(slots.take(2), 2);
        assert_eq!(slots.take(2), 1);
        assert_eq!(slots.take(2), 0);
        drop(slots.occupied());
        assert_eq!(slots.take(2), 1);
        slots.give_back(3);
        slots.all_free().await;
    }
}
