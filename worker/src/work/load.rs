//! Concurrency limits and fair sharing: each kind within its concurrency, all within the worker's slots, by weight.

use super::job::Settings;

#[derive(Debug, Clone, Copy)]
struct Share {
    weight: u32,
    concurrency: usize,
    running: usize,
    /// Whether jobs may be due.
    backlog: bool,
}

/// The running jobs by kind, as an index of the registry.
#[derive(Debug)]
pub(super) struct Load {
    slots: usize,
    shares: Vec<Share>,
}

impl Load {
    pub(super) fn new(slots: usize, kinds: impl IntoIterator<Item = Settings>) -> Self {
        let share = |settings: Settings| Share {
            weight: settings.weight.max(1),
            concurrency: settings.concurrency,
            running: 0,
            backlog: true,
        };
        Self { slots, shares: kinds.into_iter().map(share).collect() }
    }

    /// Jobs of any kind may be due.
    pub(super) fn mark_all_due(&mut self) {
        self.shares.iter_mut().for_each(|share| share.backlog = true);
    }

    pub(super) fn began(&mut self, kind: usize) {
        self.shares[kind].running += 1;
    }

    pub(super) fn ended(&mut self, kind: usize) {
        self.shares[kind].running -= 1;
    }

    /// No more jobs of a kind are due.
    pub(super) fn ran_dry(&mut self, kind: usize) {
        self.shares[kind].backlog = false;
    }

    pub(super) fn running(&self) -> usize {
        self.shares.iter().map(|share| share.running).sum()
    }

    /// How many jobs of which kinds to lease now: slot by slot, for the kind with the lowest load by weight.
    pub(super) fn allot(&self) -> Vec<(usize, usize)> {
        let mut given = vec![0; self.shares.len()];
        for _ in self.running()..self.slots {
            let used = |kind: usize| self.shares[kind].running + given[kind];
            let open = (0..self.shares.len())
                .filter(|&kind| self.shares[kind].backlog && used(kind) < self.shares[kind].concurrency);
            // Cross-multiplied, to avoid rounding.
            let next = open.min_by(|&one, &other| {
                let weight = |kind: usize| u64::from(self.shares[kind].weight);
                (used(one) as u64 * weight(other)).cmp(&(used(other) as u64 * weight(one)))
            });
            let Some(next) = next else { break };
            given[next] += 1;
        }
        given.into_iter().enumerate().filter(|(_, count)| *count > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::work::RetryPolicy;

    fn kind(weight: u32, concurrency: usize) -> Settings {
        Settings {
            weight,
            concurrency,
            retry: RetryPolicy::doubling(None, Duration::ZERO, Duration::ZERO),
            time_limit: Duration::ZERO,
            kept: Duration::ZERO,
            dead_letter_kept: None,
        }
    }

    #[test]
    fn slots_go_by_weight_within_each_kinds_concurrency() {
        let mut load = Load::new(8, [kind(1, 10), kind(3, 10), kind(1, 1)]);
        assert_eq!(load.allot(), [(0, 2), (1, 5), (2, 1)]);
        load.ran_dry(1);
        assert_eq!(load.allot(), [(0, 7), (2, 1)], "what one kind does not need is the others'");
        (0..8).for_each(|_| load.began(0));
        assert_eq!(load.allot(), []);
        load.ended(0);
        load.mark_all_due();
        assert_eq!(load.allot(), [(1, 1)], "who has nothing yet comes first");
    }
}
