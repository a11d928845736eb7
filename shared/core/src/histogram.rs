//! A histogram of latencies with exponential buckets: the counts of several processes can be added up.

/// The width of a bucket, relative to the one before.
const GROWTH: f64 = 1.25;

/// The bucket of a latency.
pub fn bucket(milliseconds: u32) -> u32 {
    f64::from(milliseconds.max(1)).log(GROWTH).round() as u32
}

/// The percentile (`0.95`) in milliseconds, to within an eighth; `None` without counts. Takes pairs of bucket and
/// count, in any order.
pub fn percentile(mut counts: Vec<(u32, u64)>, share: f64) -> Option<u32> {
    counts.sort_unstable();
    let total: u64 = counts.iter().map(|(_, count)| count).sum();
    let mut left = (total as f64 * share).ceil().max(1.0) as u64;
    for (bucket, count) in counts {
        if count >= left {
            return Some(GROWTH.powi(bucket as i32).round() as u32);
        }
        left -= count;
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn percentiles_come_back_to_within_an_eighth() {
        let mut counts = HashMap::new();
        for milliseconds in 1..=1_000 {
            *counts.entry(bucket(milliseconds)).or_default() += 1;
        }
        for (share, exact) in [(0.5, 500.0), (0.95, 950.0), (0.99, 990.0)] {
            let found = f64::from(percentile(counts.clone().into_iter().collect(), share).unwrap());
            assert!((found / exact - 1.0).abs() <= 0.125, "{share}: {found} instead of {exact}");
        }
        assert_eq!(percentile(Vec::new(), 0.5), None);
        assert_eq!(bucket(0), bucket(1));
    }
}
