//! How long a provider's first word was waited for lately: what is late is judged by it.

use std::time::Duration;

use parking_lot::Mutex;

const REMEMBERED: usize = 100;
/// Fewer say nothing.
const ENOUGH: usize = 20;

#[derive(Debug, Default)]
pub(super) struct FirstWords(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    waits: Vec<Duration>,
    next: usize,
}

impl FirstWords {
    pub(super) fn record(&self, wait: Duration) {
        let mut remembered = self.0.lock();
        let next = remembered.next;
        if next < remembered.waits.len() {
            remembered.waits[next] = wait;
        } else {
            remembered.waits.push(wait);
        }
        remembered.next = (next + 1) % REMEMBERED;
    }

    /// What 95 of 100 were no later than; `None` while there are too few.
    pub(super) fn p95(&self) -> Option<Duration> {
        let mut waits = self.0.lock().waits.clone();
        let at = (waits.len() * 95 / 100).min(waits.len().checked_sub(1)?);
        (waits.len() >= ENOUGH).then(|| *waits.select_nth_unstable(at).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_hundred_count() {
        let words = FirstWords::default();
        for n in 1..20 {
            words.record(Duration::from_millis(n));
        }
        assert_eq!(words.p95(), None);
        for n in 1..=300 {
            words.record(Duration::from_millis(n));
        }
        assert_eq!(words.p95(), Some(Duration::from_millis(296)));
    }
}
