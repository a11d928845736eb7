//! Extra calls, as a share of all replies: an outage, or a slow hour, must not multiply the load on those who are still well.

use parking_lot::Mutex;

#[derive(Debug)]
pub(super) struct Allowance {
    share: f64,
    most: f64,
    left: Mutex<f64>,
}

impl Allowance {
    /// `most` can be saved up, and are there at the beginning, so that a quiet worker has some too.
    pub(super) fn new(share: f64, most: f64) -> Self {
        Self { share, most, left: Mutex::new(if share > 0.0 { most } else { 0.0 }) }
    }

    /// A reply begins.
    pub(super) fn deposit(&self) {
        let mut left = self.left.lock();
        *left = (*left + self.share).min(self.most);
    }

    /// Whether one more call may be made.
    pub(super) fn withdraw(&self) -> bool {
        let mut left = self.left.lock();
        let may = *left >= 1.0;
        if may {
            *left -= 1.0;
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(allowance: &Allowance, replies: usize) -> usize {
        let ask = |_: &usize| {
            allowance.deposit();
            allowance.withdraw()
        };
        (0..replies).filter(ask).count()
    }

    #[test]
    fn in_the_long_run_there_are_no_more_than_the_share() {
        let granted_of_all = granted(&Allowance::new(0.2, 20.0), 1_000);
        assert!((200..=220).contains(&granted_of_all), "{granted_of_all}");
        assert_eq!(granted(&Allowance::new(0.0, 20.0), 1_000), 0);
    }
}
