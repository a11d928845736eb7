//! What a run has measured, and how it is printed. `bench/compare.py` reads these lines.

use std::{fmt, time::Duration};

/// The figures of one user, or of all.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// From when a message was due until the server had accepted it (202).
    pub(crate) accepted: Times,
    /// Until the first event of its reply.
    pub(crate) first_event: Times,
    pub(crate) completed: Times,
    pub(crate) sent: u64,
    /// Messages that were not accepted.
    pub(crate) refused: u64,
    pub(crate) failed: u64,
    /// Replies that were not complete in time.
    pub(crate) lost: u64,
    /// Replies with events after their end, or to no message.
    pub(crate) doubled: u64,
    /// Replies whose pieces are not the whole.
    pub(crate) garbled: u64,
    pub(crate) error: Option<String>,
}

impl Figures {
    pub(crate) fn refuse(&mut self, error: &anyhow::Error) {
        self.refused += 1;
        self.error.get_or_insert_with(|| format!("{error:#}"));
    }
}

impl Extend<Figures> for Figures {
    fn extend<I: IntoIterator<Item = Figures>>(&mut self, others: I) {
        for other in others {
            self.accepted.0.extend(other.accepted.0);
            self.first_event.0.extend(other.first_event.0);
            self.completed.0.extend(other.completed.0);
            self.sent += other.sent;
            self.refused += other.refused;
            self.failed += other.failed;
            self.lost += other.lost;
            self.doubled += other.doubled;
            self.garbled += other.garbled;
            self.error = self.error.take().or(other.error);
        }
    }
}

/// Durations of one kind, all kept: quantiles are exact.
#[derive(Debug, Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn record(&mut self, time: Duration) {
        self.0.push(time);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let milliseconds = |share: f64| quantile(&sorted, share).as_secs_f64() * 1e3;
        let count = sorted.len();
        let [p50, p99, max] = [0.5, 0.99, 1.0].map(milliseconds);
        write!(f, "n {count:>7}  p50 {p50:>9.2} ms  p99 {p99:>9.2} ms  max {max:>9.2} ms")
    }
}

/// The least time that this share of all does not exceed; zero of none.
fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// The outcome of a run with messages.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) figures: Figures,
    /// How long messages were sent.
    pub(crate) elapsed: Duration,
    /// CPU time by process.
    pub(crate) cpu: Vec<(String, Duration)>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { figures, elapsed, cpu } = self;
        let Figures { accepted, first_event, completed, sent, refused, failed, lost, doubled, garbled, error } =
            figures;
        let replies = completed.count();
        writeln!(f, "accepted         {accepted}")?;
        writeln!(f, "first event      {first_event}")?;
        writeln!(f, "completed        {completed}")?;
        write!(f, "sent {sent}  completed {replies}  refused {refused}  failed {failed}")?;
        writeln!(f, "  lost {lost}  doubled {doubled}  garbled {garbled}")?;
        writeln!(f, "replies/s {:.1}", replies as f64 / elapsed.as_secs_f64())?;
        write!(f, "CPU ms a reply: ")?;
        let each = |(name, spent): &(String, Duration)| {
            format!("{name} {:.3}", spent.as_secs_f64() * 1e3 / replies.max(1) as f64)
        };
        write!(f, "{}", cpu.iter().map(each).collect::<Vec<_>>().join("  "))?;
        if let Some(error) = error {
            write!(f, "\nfirst error: {error}")?;
        }
        Ok(())
    }
}

/// The outcome of a run with silent sockets.
#[derive(Debug)]
pub(crate) struct IdleReport {
    pub(crate) sockets: usize,
    pub(crate) alive: usize,
    pub(crate) opened_in: Duration,
    pub(crate) kib_per_socket: f64,
}

impl fmt::Display for IdleReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sockets, alive, opened_in, kib_per_socket } = self;
        writeln!(f, "sockets {sockets}  alive {alive}  opened in {:.1} s", opened_in.as_secs_f64())?;
        write!(f, "KiB a socket {kib_per_socket:.1}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_times_that_were_measured() {
        let times: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        let milliseconds = |share| quantile(&times, share).as_millis();
        assert_eq!([0.5, 0.99, 1.0].map(milliseconds), [100, 198, 200]);
        assert_eq!(quantile(&times[..1], 0.5), times[0]);
        assert_eq!(quantile(&[], 0.5), Duration::ZERO);
    }
}
