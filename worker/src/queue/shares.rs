//! Weighted fair sharing of slots between tiers with a backlog, without starvation.
//!
//! Stride scheduling, in plain arithmetic without a clock: each tier has a pass, which every job advances by one
//! stride, the inverse of the tier's weight; the tier with the lowest pass is next. Only tiers with a backlog count.
//! [`super::slots`] drives it.

/// Of weight 1.
const STRIDE: u64 = 1 << 20;

/// The shares of all tiers, by their index in the list of weights; ties go to the lower index.
#[derive(Clone)]
pub(super) struct Shares(Vec<Share>);

#[derive(Clone)]
struct Share {
    stride: u64,
    pass: u64,
    /// Whether there may be jobs in its queue.
    backlog: bool,
}

impl Shares {
    pub(super) fn new(weights: impl IntoIterator<Item = u32>) -> Self {
        Self(weights.into_iter().map(share).collect())
    }

    /// Adds a tier, at the next index.
    pub(super) fn add(&mut self, weight: u32) {
        self.0.push(share(weight));
    }

    /// Changes a weight; jobs that were charged already count by the old one.
    pub(super) fn set_weight(&mut self, tier: usize, weight: u32) {
        self.0[tier].stride = stride(weight);
    }

    /// There may be jobs of the tier. It joins at the lowest pass of the others: idle time is no credit.
    pub(super) fn set_backlog(&mut self, tier: usize) {
        let others = self.0.iter().filter(|share| share.backlog).map(|share| share.pass).min();
        let share = &mut self.0[tier];
        if !share.backlog {
            share.backlog = true;
            share.pass = share.pass.max(others.unwrap_or(0));
        }
    }

    /// The tier's queue was found empty. With no backlog at all, every pass starts again at zero.
    pub(super) fn clear_backlog(&mut self, tier: usize) {
        self.0[tier].backlog = false;
        if self.0.iter().all(|share| !share.backlog) {
            self.0.iter_mut().for_each(|share| share.pass = 0);
        }
    }

    /// How many of the free slots are the tier's, if every tier with a backlog fills its own.
    pub(super) fn share_of(&self, free: usize, tier: usize) -> usize {
        let mut shares = self.clone();
        let turns = std::iter::from_fn(|| {
            let next = shares.next()?;
            shares.charge(next, 1);
            Some(next)
        });
        turns.take(free).filter(|next| *next == tier).count()
    }

    /// The tier whose turn it is.
    pub(super) fn next(&self) -> Option<usize> {
        let waiting = self.0.iter().enumerate().filter(|(_, share)| share.backlog);
        waiting.min_by_key(|(_, share)| share.pass).map(|(tier, _)| tier)
    }

    pub(super) fn charge(&mut self, tier: usize, jobs: usize) {
        let share = &mut self.0[tier];
        share.pass = share.pass.saturating_add(share.stride.saturating_mul(jobs as u64));
    }

    /// So many did not start after all.
    pub(super) fn refund(&mut self, tier: usize, jobs: usize) {
        let share = &mut self.0[tier];
        share.pass = share.pass.saturating_sub(share.stride.saturating_mul(jobs as u64));
    }
}

fn share(weight: u32) -> Share {
    Share { stride: stride(weight), pass: 0, backlog: false }
}

fn stride(weight: u32) -> u64 {
    (STRIDE / u64::from(weight.max(1))).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRO: usize = 0;
    const FREE: usize = 1;

    fn pro_and_free() -> Shares {
        Shares::new([4, 1])
    }

    /// The tiers of the next jobs, in order.
    fn turns(shares: &mut Shares, jobs: usize) -> Vec<usize> {
        let turn = |_| {
            let next = shares.next().unwrap();
            shares.charge(next, 1);
            next
        };
        (0..jobs).map(turn).collect()
    }

    fn of(tier: usize, turns: &[usize]) -> usize {
        turns.iter().filter(|turn| **turn == tier).count()
    }

    #[test]
    fn by_weight_and_evenly() {
        let mut shares = pro_and_free();
        shares.set_backlog(PRO);
        shares.set_backlog(FREE);
        let turns = turns(&mut shares, 100);
        assert_eq!((of(PRO, &turns), of(FREE, &turns)), (80, 20));
        for ten in turns.chunks(10) {
            assert_eq!(of(FREE, ten), 2, "{turns:?}");
        }
    }

    #[test]
    fn another_weight_counts_from_then_on() {
        let mut shares = pro_and_free();
        shares.set_backlog(PRO);
        shares.set_backlog(FREE);
        shares.charge(FREE, 1);
        shares.charge(PRO, 4);
        shares.set_weight(FREE, 4);
        let turns = turns(&mut shares, 100);
        assert_eq!((of(PRO, &turns), of(FREE, &turns)), (50, 50));
    }

    #[test]
    fn more_than_two_tiers_and_any_weights() {
        let mut shares = Shares::new([7, 2, 1]);
        (0..3).for_each(|tier| shares.set_backlog(tier));
        let turns = turns(&mut shares, 1000);
        assert_eq!([0, 1, 2].map(|tier| of(tier, &turns)), [700, 200, 100]);
    }

    #[test]
    fn a_tier_that_is_added_gets_its_share_from_then_on() {
        let mut shares = Shares::new([1]);
        shares.set_backlog(0);
        shares.charge(0, 1000);
        shares.add(4);
        shares.set_backlog(1);
        let turns = turns(&mut shares, 100);
        assert_eq!((of(0, &turns), of(1, &turns)), (20, 80));
    }

    #[test]
    fn whoever_is_alone_has_everything() {
        let mut shares = pro_and_free();
        assert_eq!((shares.next(), shares.share_of(9, FREE)), (None, 0));
        shares.set_backlog(FREE);
        assert_eq!((shares.next(), shares.share_of(9, FREE), shares.share_of(9, PRO)), (Some(FREE), 9, 0));
    }

    #[test]
    fn many_slots_are_parted_at_once() {
        let mut shares = pro_and_free();
        shares.set_backlog(PRO);
        shares.set_backlog(FREE);
        assert_eq!((shares.share_of(100, PRO), shares.share_of(100, FREE)), (80, 20));
        // What one has taken is its own part: the rest is the other's, in whatever order they come.
        shares.charge(FREE, 20);
        assert_eq!((shares.share_of(80, PRO), shares.share_of(80, FREE)), (80, 0));
    }

    #[test]
    fn nobody_saves_up_and_nobody_pays_for_having_been_alone() {
        let mut shares = pro_and_free();
        shares.set_backlog(FREE);
        shares.charge(FREE, 1000);
        shares.set_backlog(PRO);
        let first = turns(&mut shares, 10);
        assert_eq!((of(PRO, &first), of(FREE, &first)), (8, 2));
        shares.clear_backlog(PRO);
        shares.charge(FREE, 1000);
        shares.set_backlog(PRO);
        let again = turns(&mut shares, 10);
        assert_eq!((of(PRO, &again), of(FREE, &again)), (8, 2));
        // After a time without backlog it starts again.
        shares.clear_backlog(PRO);
        shares.clear_backlog(FREE);
        shares.set_backlog(PRO);
        shares.charge(PRO, 1000);
        shares.set_backlog(FREE);
        let anew = turns(&mut shares, 10);
        assert_eq!((of(PRO, &anew), of(FREE, &anew)), (8, 2));
    }

    /// One job at a time, found empty after each, and back at once: it gets its share and no more.
    #[test]
    fn a_trickle_gets_no_more_than_its_share() {
        let mut shares = pro_and_free();
        shares.set_backlog(PRO);
        let mut started = [0, 0];
        for _ in 0..100 {
            shares.set_backlog(FREE);
            let next = shares.next().unwrap();
            shares.charge(next, 1);
            started[next] += 1;
            if next == FREE {
                shares.clear_backlog(FREE);
            }
        }
        assert_eq!(started, [80, 20]);
    }

    #[test]
    fn what_did_not_begin_does_not_count() {
        let mut shares = pro_and_free();
        shares.set_backlog(PRO);
        shares.set_backlog(FREE);
        shares.charge(FREE, 50);
        shares.refund(FREE, 50);
        assert_eq!(shares.share_of(10, FREE), 2);
    }
}
