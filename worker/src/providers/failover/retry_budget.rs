//! The retry budget: retries and hedged calls as a share of all replies, so that an outage or a slow hour does not
//! multiply the load on healthy providers. A token bucket that each reply fills a little.

use parking_lot::Mutex;

#[derive(Debug)]
pub(super) struct RetryBudget {
    share: f64,
    max: f64,
    balance: Mutex<f64>,
}

impl RetryBudget {
    /// At most `max` can be accumulated; it starts full, so that a worker with few replies has some too.
    pub(super) fn new(share: f64, max: f64) -> Self {
        Self { share, max, balance: Mutex::new(if share > 0.0 { max } else { 0.0 }) }
    }

    /// One reply begins.
    pub(super) fn deposit(&self) {
        let mut balance = self.balance.lock();
        *balance = (*balance + self.share).min(self.max);
    }

    /// Whether one more call may be made.
    pub(super) fn withdraw(&self) -> bool {
        let mut balance = self.balance.lock();
        let granted = *balance >= 1.0;
        if granted {
            *balance -= 1.0;
        }
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(budget: &RetryBudget, replies: usize) -> usize {
        let ask = |_: &usize| {
            budget.deposit();
            budget.withdraw()
        };
        (0..replies).filter(ask).count()
    }

    #[test]
    fn in_the_long_run_there_are_no_more_than_the_share() {
        let granted_of_all = granted(&RetryBudget::new(0.2, 20.0), 1_000);
        assert!((200..=220).contains(&granted_of_all), "{granted_of_all}");
        assert_eq!(granted(&RetryBudget::new(0.0, 20.0), 1_000), 0);
    }
}
