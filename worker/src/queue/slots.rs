//! Slots: the concurrency limit of a process. Jobs are fetched only for free slots, so that none waits in one worker
//! while another idles.
//!
//! Each tier's consumer reserves slots before it fetches. While several tiers have a backlog each gets its share of
//! them ([`super::shares`]); a consumer without a share, or whose queue is known to be empty, sends nothing to Redis.
//! It is woken when that changes: by a push, by a free slot of its share, or by another tier without a backlog.

use std::{sync::Arc, task::Context};

use futures::task::AtomicWaker;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use super::shares::Shares;
use crate::metrics::REPLIES;

pub(crate) struct Slots {
    state: Mutex<State>,
    /// The consumer of each tier.
    consumers: RwLock<Vec<AtomicWaker>>,
    freed: Notify,
}

struct State {
    total: usize,
    /// Reserved or occupied; more than there are, where there were more.
    used: usize,
    running: usize,
    shares: Shares,
    /// Wake-ups of each tier: an empty fetch that began before the last one is no proof of an empty queue.
    wake_ups: Vec<u64>,
    paused: bool,
    closed: bool,
}

impl State {
    fn free(&self) -> usize {
        if self.paused || self.closed { 0 } else { self.total.saturating_sub(self.used) }
    }
}

/// Slots reserved for jobs that are still to be fetched; freed when dropped.
pub(super) struct Reservation {
    slots: Arc<Slots>,
    tier: usize,
    count: usize,
    wake_ups: u64,
}

/// The slot of a running job; freed when dropped.
pub(crate) struct Occupied {
    slots: Arc<Slots>,
    tier: usize,
}

impl Slots {
    /// `total` slots, for tiers of these weights.
    pub(crate) fn new(total: usize, weights: &[u32]) -> Arc<Self> {
        REPLIES.slots.set(total as i64);
        let state = State {
            total,
            used: 0,
            running: 0,
            shares: Shares::new(weights.iter().copied()),
            wake_ups: vec![0; weights.len()],
            paused: false,
            closed: false,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            consumers: RwLock::new(weights.iter().map(|_| AtomicWaker::new()).collect()),
            freed: Notify::new(),
        })
    }

    /// Adds a tier; returns its index.
    pub(super) fn add(&self, weight: u32) -> usize {
        let mut state = self.state.lock();
        state.shares.add(weight);
        state.wake_ups.push(0);
        self.consumers.write().push(AtomicWaker::new());
        state.wake_ups.len() - 1
    }

    pub(super) fn set_weight(&self, tier: usize, weight: u32) {
        self.state.lock().shares.set_weight(tier, weight);
    }

    /// There may be new jobs of the tier.
    pub(super) fn wake_up(&self, tier: usize) {
        let mut state = self.state.lock();
        state.shares.set_backlog(tier);
        state.wake_ups[tier] += 1;
        drop(state);
        self.consumers.read()[tier].wake();
    }

    /// Registers the tier's consumer, to be woken when another fetch may be worth it.
    pub(super) fn register_waker(&self, tier: usize, cx: &Context<'_>) {
        self.consumers.read()[tier].register(cx.waker());
    }

    /// Reserves up to `wanted` slots, within the tier's share.
    pub(super) fn reserve(self: &Arc<Self>, tier: usize, wanted: usize) -> Reservation {
        let mut state = self.state.lock();
        let count = state.shares.share_of(state.free(), tier).min(wanted);
        state.used += count;
        state.shares.charge(tier, count);
        let wake_ups = state.wake_ups[tier];
        self.wake_next(&state, Some(tier));
        Reservation { slots: self.clone(), tier, count, wake_ups }
    }

    /// Starts a job in a slot that was reserved and filled.
    pub(super) fn occupy(self: &Arc<Self>, tier: usize) -> Occupied {
        self.state.lock().running += 1;
        Occupied { slots: self.clone(), tier }
    }

    /// Frees slots of jobs that were fetched and will not start.
    pub(super) fn free(&self, tier: usize, filled: usize) {
        let mut state = self.state.lock();
        state.used -= filled;
        state.shares.refund(tier, filled);
        self.wake_next(&state, None);
    }

    /// The tier's consumer has ended: no slot is kept for it.
    pub(super) fn abandon(&self, tier: usize, filled: usize) {
        self.state.lock().shares.clear_backlog(tier);
        self.free(tier, filled);
    }

    /// `total` slots from now on, of which none is filled while they are paused. Running jobs go on.
    pub(crate) fn resize(&self, total: usize, paused: bool) {
        let mut state = self.state.lock();
        (state.total, state.paused) = (total, paused);
        REPLIES.slots.set(total as i64);
        let tiers = state.wake_ups.len();
        drop(state);
        (0..tiers).for_each(|tier| self.wake_up(tier));
    }

    /// No job starts from now on.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
    }

    /// Waits until no job runs.
    pub(crate) async fn idle(&self) {
        loop {
            let freed = self.freed.notified();
            if self.state.lock().running == 0 {
                return;
            }
            freed.await;
        }
    }

    /// Wakes the consumer whose turn it is, unless that is the caller.
    fn wake_next(&self, state: &State, caller: Option<usize>) {
        if state.free() > 0
            && let Some(next) = state.shares.next()
            && Some(next) != caller
        {
            self.consumers.read()[next].wake();
        }
    }
}

impl Reservation {
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// So many slots have a job now; the rest is freed, because the queue had no more.
    pub(super) fn fill(mut self, jobs: usize) {
        let empty = std::mem::take(&mut self.count).saturating_sub(jobs);
        let mut state = self.slots.state.lock();
        if empty > 0 && state.wake_ups[self.tier] == self.wake_ups {
            state.shares.clear_backlog(self.tier);
        }
        state.used -= empty;
        state.shares.refund(self.tier, empty);
        // Its own consumer too: a wake-up during the fetch may have come too late for it.
        self.slots.wake_next(&state, None);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.count > 0 {
            self.slots.free(self.tier, self.count);
        }
    }
}

impl Drop for Occupied {
    fn drop(&mut self) {
        let mut state = self.slots.state.lock();
        state.used -= 1;
        state.running -= 1;
        // This tier's own consumer is polled anyway when it acknowledges the job, and then several may have ended.
        self.slots.wake_next(&state, Some(self.tier));
        drop(state);
        self.slots.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::task::{ArcWake, waker};

    use super::*;

    const PRO: usize = 0;
    const FREE: usize = 1;

    /// A consumer that counts how often it is woken.
    #[derive(Default)]
    struct Consumer(AtomicUsize);

    impl ArcWake for Consumer {
        fn wake_by_ref(consumer: &Arc<Self>) {
            consumer.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Consumer {
        fn of(slots: &Slots, tier: usize) -> Arc<Self> {
            let consumer = Arc::new(Self::default());
            slots.register_waker(tier, &Context::from_waker(&waker(consumer.clone())));
            consumer
        }

        fn woken(&self) -> bool {
            self.0.load(Ordering::Relaxed) > 0
        }
    }

    fn slots(all: usize) -> Arc<Slots> {
        Slots::new(all, &[4, 1])
    }

    #[tokio::test]
    async fn never_more_than_there_are() {
        let slots = slots(3);
        slots.wake_up(FREE);
        let two = slots.reserve(FREE, 2);
        let one = slots.reserve(FREE, 2);
        assert_eq!((two.count(), one.count(), slots.reserve(FREE, 2).count()), (2, 1, 0));
        drop(one);
        assert_eq!(slots.reserve(FREE, 2).count(), 1);
        two.fill(2);
        let running = [slots.occupy(FREE), slots.occupy(FREE)];
        assert_eq!(slots.reserve(FREE, 9).count(), 1);
        drop(running);
        slots.idle().await;
        assert_eq!(slots.reserve(FREE, 9).count(), 3);
        slots.close();
        assert_eq!(slots.reserve(FREE, 9).count(), 0);
    }

    #[test]
    fn a_queue_that_is_known_to_be_empty_is_not_asked() {
        let slots = slots(8);
        assert_eq!(slots.reserve(FREE, 8).count(), 0);
        slots.wake_up(FREE);
        slots.reserve(FREE, 8).fill(3);
        assert_eq!(slots.reserve(FREE, 8).count(), 0);
        slots.wake_up(FREE);
        assert_eq!(slots.reserve(FREE, 8).count(), 5);
    }

    #[test]
    fn a_tier_that_is_added_is_served_like_the_others() {
        let slots = slots(2);
        slots.wake_up(FREE);
        let added = slots.add(1);
        let consumer = Consumer::of(&slots, added);
        slots.wake_up(added);
        assert!(consumer.woken());
        assert_eq!((slots.reserve(FREE, 2).count(), slots.reserve(added, 2).count()), (1, 1));
    }

    #[test]
    fn what_is_announced_during_a_fetch_is_not_missed() {
        let slots = slots(8);
        slots.wake_up(FREE);
        let fetching = slots.reserve(FREE, 8);
        slots.wake_up(FREE);
        let consumer = Consumer::of(&slots, FREE);
        fetching.fill(0);
        assert!(consumer.woken());
        assert_eq!(slots.reserve(FREE, 8).count(), 8);
    }

    #[test]
    fn a_slot_is_never_kept_for_a_tier_that_has_nothing() {
        let slots = slots(1);
        slots.wake_up(PRO);
        slots.wake_up(FREE);
        let consumer = Consumer::of(&slots, FREE);
        assert_eq!(slots.reserve(FREE, 1).count(), 0, "it is the other's turn");
        slots.reserve(PRO, 1).fill(0);
        assert!(consumer.woken());
        assert_eq!(slots.reserve(FREE, 1).count(), 1);
    }

    #[test]
    fn whose_turn_it_is_is_woken_when_a_job_of_another_tier_ends() {
        let slots = slots(1);
        slots.wake_up(FREE);
        slots.reserve(FREE, 1).fill(1);
        let running = slots.occupy(FREE);
        slots.wake_up(PRO);
        assert_eq!(slots.reserve(PRO, 1).count(), 0);
        let consumer = Consumer::of(&slots, PRO);
        drop(running);
        assert!(consumer.woken());
        assert_eq!(slots.reserve(FREE, 1).count(), 0);
        assert_eq!(slots.reserve(PRO, 1).count(), 1);
    }

    #[test]
    fn a_consumer_that_has_ended_holds_nobody_back() {
        let slots = slots(1);
        slots.wake_up(FREE);
        slots.wake_up(PRO);
        slots.reserve(PRO, 1).fill(1);
        slots.abandon(PRO, 1);
        assert_eq!(slots.reserve(FREE, 1).count(), 1);
    }

    #[tokio::test]
    async fn fewer_slots_are_waited_for_and_paused_ones_are_not_filled() {
        let slots = slots(3);
        slots.wake_up(FREE);
        let reserved = slots.reserve(FREE, 3);
        assert_eq!(reserved.count(), 3);
        slots.resize(1, false);
        assert_eq!(slots.reserve(FREE, 1).count(), 0);
        drop(reserved);
        assert_eq!(slots.reserve(FREE, 3).count(), 1);
        let consumer = Consumer::of(&slots, FREE);
        slots.resize(4, true);
        assert_eq!(slots.reserve(FREE, 1).count(), 0);
        slots.resize(4, false);
        assert!(consumer.woken());
        // The other tier may have jobs too, until it is known that it has none.
        slots.reserve(PRO, 9).fill(0);
        assert_eq!(slots.reserve(FREE, 9).count(), 4);
    }
}
