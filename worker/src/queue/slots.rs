//! Slots: how many replies a process writes at the same time. Jobs are fetched only for slots that are free, so that none
//! waits in one worker while another idles.
//!
//! Each tier's consumer reserves slots before it fetches. While several tiers have a backlog each gets its share of them
//! ([`super::shares`]); a consumer that gets none, or whose queue is known to be empty, asks nothing of Redis. It is woken
//! when that changes: by a push, by a slot that is its own, or by a tier that has run dry.

use std::{sync::Arc, task::Context};

use futures::task::AtomicWaker;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use super::shares::Shares;

pub(crate) struct Slots {
    state: Mutex<State>,
    /// The consumer of each tier.
    consumers: RwLock<Vec<AtomicWaker>>,
    ended: Notify,
}

struct State {
    free: usize,
    running: usize,
    shares: Shares,
    /// Counts for each tier how often it was said to have jobs: an empty fetch that began before does not speak against it.
    announcements: Vec<u64>,
    closed: bool,
}

/// Slots taken for jobs that are not there yet; free again when dropped.
pub(super) struct Reserved {
    slots: Arc<Slots>,
    tier: usize,
    count: usize,
    announcements: u64,
}

/// A slot with a running job in it; free again when dropped.
pub(crate) struct Occupied {
    slots: Arc<Slots>,
    tier: usize,
}

impl Slots {
    /// So many in all, for tiers of these weights.
    pub(crate) fn new(all: usize, weights: &[u32]) -> Arc<Self> {
        let state = State {
            free: all,
            running: 0,
            shares: Shares::new(weights.iter().copied()),
            announcements: vec![0; weights.len()],
            closed: false,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            consumers: RwLock::new(weights.iter().map(|_| AtomicWaker::new()).collect()),
            ended: Notify::new(),
        })
    }

    /// One more tier of this weight; returns its number.
    pub(super) fn add(&self, weight: u32) -> usize {
        let mut state = self.state.lock();
        state.shares.add(weight);
        state.announcements.push(0);
        self.consumers.write().push(AtomicWaker::new());
        state.announcements.len() - 1
    }

    /// The tier has another weight from now on.
    pub(super) fn weigh(&self, tier: usize, weight: u32) {
        self.state.lock().shares.weigh(tier, weight);
    }

    /// Jobs may have come for the tier.
    pub(super) fn announce(&self, tier: usize) {
        let mut state = self.state.lock();
        state.shares.has_backlog(tier);
        state.announcements[tier] += 1;
        drop(state);
        self.consumers.read()[tier].wake();
    }

    /// Has the tier's consumer woken when it may be worth its while to ask again.
    pub(super) fn wake_me(&self, tier: usize, cx: &Context<'_>) {
        self.consumers.read()[tier].register(cx.waker());
    }

    /// Takes up to so many slots, as far as they are the tier's.
    pub(super) fn reserve(self: &Arc<Self>, tier: usize, wanted: usize) -> Reserved {
        let mut state = self.state.lock();
        let count = if state.closed { 0 } else { state.shares.part_of(state.free, tier).min(wanted) };
        state.free -= count;
        state.shares.begin(tier, count);
        let announcements = state.announcements[tier];
        self.wake_next(&state, Some(tier));
        Reserved { slots: self.clone(), tier, count, announcements }
    }

    /// Begins a job in a slot that was reserved and filled.
    pub(super) fn occupy(self: &Arc<Self>, tier: usize) -> Occupied {
        self.state.lock().running += 1;
        Occupied { slots: self.clone(), tier }
    }

    /// For jobs that were fetched and will not begin.
    pub(super) fn give_back(&self, tier: usize, filled: usize) {
        let mut state = self.state.lock();
        state.free += filled;
        state.shares.take_back(tier, filled);
        self.wake_next(&state, None);
    }

    /// The tier's consumer has ended: nobody waits for it.
    pub(super) fn abandon(&self, tier: usize, filled: usize) {
        self.state.lock().shares.ran_dry(tier);
        self.give_back(tier, filled);
    }

    /// No job begins from now on.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
    }

    /// Returns when no job runs.
    pub(crate) async fn idle(&self) {
        loop {
            let ended = self.ended.notified();
            if self.state.lock().running == 0 {
                return;
            }
            ended.await;
        }
    }

    /// Wakes the consumer whose turn it is, unless that is the caller.
    fn wake_next(&self, state: &State, caller: Option<usize>) {
        if state.free > 0
            && let Some(next) = state.shares.next()
            && Some(next) != caller
        {
            self.consumers.read()[next].wake();
        }
    }
}

impl Reserved {
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// So many have a job now; the rest is free again, because there was no more to fetch.
    pub(super) fn filled(mut self, jobs: usize) {
        let empty = std::mem::take(&mut self.count).saturating_sub(jobs);
        let mut state = self.slots.state.lock();
        if empty > 0 && state.announcements[self.tier] == self.announcements {
            state.shares.ran_dry(self.tier);
        }
        state.free += empty;
        state.shares.take_back(self.tier, empty);
        // Its own consumer too: what was announced during the fetch may have come too late for it.
        self.slots.wake_next(&state, None);
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if self.count > 0 {
            self.slots.give_back(self.tier, self.count);
        }
    }
}

impl Drop for Occupied {
    fn drop(&mut self) {
        let mut state = self.slots.state.lock();
        state.free += 1;
        state.running -= 1;
        // This tier's own consumer learns of it anyway, when it acknowledges the job: then several may have ended.
        self.slots.wake_next(&state, Some(self.tier));
        drop(state);
        self.slots.ended.notify_waiters();
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
            slots.wake_me(tier, &Context::from_waker(&waker(consumer.clone())));
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
        slots.announce(FREE);
        let (two, one) = (slots.reserve(FREE, 2), slots.reserve(FREE, 2));
        assert_eq!((two.count(), one.count(), slots.reserve(FREE, 2).count()), (2, 1, 0));
        drop(one);
        assert_eq!(slots.reserve(FREE, 2).count(), 1);
        two.filled(2);
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
        slots.announce(FREE);
        slots.reserve(FREE, 8).filled(3);
        assert_eq!(slots.reserve(FREE, 8).count(), 0);
        slots.announce(FREE);
        assert_eq!(slots.reserve(FREE, 8).count(), 5);
    }

    #[test]
    fn a_tier_that_is_added_is_served_like_the_others() {
        let slots = slots(2);
        slots.announce(FREE);
        let added = slots.add(1);
        let consumer = Consumer::of(&slots, added);
        slots.announce(added);
        assert!(consumer.woken());
        assert_eq!((slots.reserve(FREE, 2).count(), slots.reserve(added, 2).count()), (1, 1));
    }

    #[test]
    fn what_is_announced_during_a_fetch_is_not_missed() {
        let slots = slots(8);
        slots.announce(FREE);
        let fetching = slots.reserve(FREE, 8);
        slots.announce(FREE);
        let consumer = Consumer::of(&slots, FREE);
        fetching.filled(0);
        assert!(consumer.woken());
        assert_eq!(slots.reserve(FREE, 8).count(), 8);
    }

    #[test]
    fn a_slot_is_never_kept_for_a_tier_that_has_nothing() {
        let slots = slots(1);
        slots.announce(PRO);
        slots.announce(FREE);
        let consumer = Consumer::of(&slots, FREE);
        assert_eq!(slots.reserve(FREE, 1).count(), 0, "it is the other's turn");
        slots.reserve(PRO, 1).filled(0);
        assert!(consumer.woken());
        assert_eq!(slots.reserve(FREE, 1).count(), 1);
    }

    #[test]
    fn whose_turn_it_is_is_woken_when_a_job_of_another_tier_ends() {
        let slots = slots(1);
        slots.announce(FREE);
        slots.reserve(FREE, 1).filled(1);
        let running = slots.occupy(FREE);
        slots.announce(PRO);
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
        slots.announce(FREE);
        slots.announce(PRO);
        slots.reserve(PRO, 1).filled(1);
        slots.abandon(PRO, 1);
        assert_eq!(slots.reserve(FREE, 1).count(), 1);
    }
}
