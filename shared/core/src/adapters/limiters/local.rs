//! Rate limits in this process's memory.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::ports::{Limit, Limiter, PortError, Refused, Verdict};

/// Beyond this, the subjects that owe least are evicted.
const MAX_SUBJECTS: usize = 100_000;

#[derive(Default)]
pub struct LocalLimiter {
    /// By counter: when its debt is paid.
    paid_at: Mutex<HashMap<String, Instant>>,
}

impl LocalLimiter {
    /// The refusal of a call by these limits, without counting it.
    pub(super) fn refusal(&self, group: &str, limits: &[Limit]) -> Option<Verdict> {
        let paid_at = self.paid_at.lock();
        let now = Instant::now();
        let owed: Vec<_> = limits.iter().map(|limit| owed(&paid_at, &key(group, limit), now)).collect();
        let refused = refused(limits, &owed)?;
        Some(Verdict { owed, refused: Some(refused) })
    }

    /// Merges the counts of the shared limiter, where they are higher.
    pub(super) fn merge(&self, group: &str, limits: &[Limit], owed: &[Duration]) {
        let mut paid_at = self.paid_at.lock();
        let now = Instant::now();
        for (limit, owed) in limits.iter().zip(owed) {
            store(&mut paid_at, key(group, limit), now + *owed, now);
        }
    }

    fn count(&self, group: &str, limits: &[Limit]) -> Verdict {
        let mut paid_at = self.paid_at.lock();
        let now = Instant::now();
        let keys: Vec<_> = limits.iter().map(|limit| key(group, limit)).collect();
        let mut owed: Vec<_> = keys.iter().map(|key| owed(&paid_at, key, now)).collect();
        let refused = refused(limits, &owed);
        if refused.is_none() {
            for ((limit, key), owed) in limits.iter().zip(keys).zip(&mut owed) {
                *owed = limit.quota.take(*owed).unwrap_or(*owed);
                store(&mut paid_at, key, now + *owed, now);
            }
        }
        Verdict { owed, refused }
    }
}

#[async_trait]
impl Limiter for LocalLimiter {
    async fn admit(&self, group: &str, limits: &[Limit]) -> Result<Verdict, PortError> {
        Ok(self.count(group, limits))
    }
}

fn key(group: &str, limit: &Limit) -> String {
    format!("{group}:{}:{}", limit.name, limit.subject)
}

fn owed(paid_at: &HashMap<String, Instant>, key: &str, now: Instant) -> Duration {
    paid_at.get(key).map_or(Duration::ZERO, |paid_at| paid_at.saturating_duration_since(now))
}

fn refused(limits: &[Limit], owed: &[Duration]) -> Option<Refused> {
    let waits = limits.iter().zip(owed).map(|(limit, owed)| limit.quota.take(*owed).err());
    let waits = waits.enumerate().filter_map(|(limit, wait)| Some(Refused { limit, retry_after: wait? }));
    waits.max_by_key(|refused| refused.retry_after)
}

fn store(paid_at: &mut HashMap<String, Instant>, key: String, until: Instant, now: Instant) {
    if let Some(known) = paid_at.get_mut(&key) {
        *known = (*known).max(until);
        return;
    }
    if paid_at.len() >= MAX_SUBJECTS {
        evict(paid_at, now);
    }
    paid_at.insert(key, until);
}

/// Evicts at least half, so that not every new subject causes an eviction.
fn evict(paid_at: &mut HashMap<String, Instant>, now: Instant) {
    paid_at.retain(|_, paid_at| *paid_at > now);
    if paid_at.len() > MAX_SUBJECTS / 2 {
        let mut moments: Vec<_> = paid_at.values().copied().collect();
        let (_, middle, _) = moments.select_nth_unstable(paid_at.len() - MAX_SUBJECTS / 2);
        let middle = *middle;
        paid_at.retain(|_, paid_at| *paid_at > middle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quota::Quota;

    fn limit(subject: usize, quota: Quota) -> Limit {
        Limit { name: "calls", subject: subject.to_string(), quota }
    }

    #[test]
    fn a_flood_of_subjects_is_forgotten_before_whoever_is_over_a_limit() {
        let (limiter, hour) = (LocalLimiter::default(), Quota { calls: 2, window: Duration::from_hours(1) });
        let heavy = [limit(0, hour)];
        assert!(limiter.count("t", &heavy).refused.is_none() && limiter.count("t", &heavy).refused.is_none());
        for subject in 1..=MAX_SUBJECTS + MAX_SUBJECTS / 4 {
            assert!(limiter.count("t", &[limit(subject, hour)]).refused.is_none());
        }
        assert!(limiter.paid_at.lock().len() <= MAX_SUBJECTS);
        assert!(limiter.count("t", &heavy).refused.is_some(), "it is still known");
    }
}
