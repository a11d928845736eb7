//! What `doctor` finds: one line for each thing that it has looked at, and what to do about it.

use std::{
    io::{self, Write},
    time::Duration,
};

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

/// Clocks that differ by more make leases and expiries doubtful.
const MAX_SKEW: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Well,
    /// It works, and may not for long, or not for everybody.
    Doubtful,
    /// Something does not work.
    Ill,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Finding {
    pub verdict: Verdict,
    /// What was looked at.
    #[schema(example = "PostgreSQL")]
    pub about: String,
    #[schema(example = "version 17.2, answered in 2 ms")]
    pub found: String,
    /// What to do.
    pub advice: Option<&'static str>,
}

impl Finding {
    pub fn well(about: impl Into<String>, found: impl Into<String>) -> Self {
        Self { verdict: Verdict::Well, about: about.into(), found: found.into(), advice: None }
    }

    pub fn doubtful(about: impl Into<String>, found: impl Into<String>, advice: &'static str) -> Self {
        Self { verdict: Verdict::Doubtful, about: about.into(), found: found.into(), advice: Some(advice) }
    }

    pub fn ill(about: impl Into<String>, found: impl Into<String>, advice: &'static str) -> Self {
        Self { verdict: Verdict::Ill, about: about.into(), found: found.into(), advice: Some(advice) }
    }

    /// Compares another clock with ours.
    pub fn of_clock(about: &str, theirs: DateTime<Utc>, ours: DateTime<Utc>) -> Self {
        let skew = (theirs - ours).abs().to_std().unwrap_or_default();
        let found = format!("its clock differs by {} ms", skew.as_millis());
        if skew > MAX_SKEW {
            return Self::doubtful(
                about,
                found,
                "keep the clocks of all machines by NTP: leases and expiries are times",
            );
        }
        Self::well(about, found)
    }
}

/// The worst of all.
pub fn verdict(findings: &[Finding]) -> Verdict {
    findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Well)
}

/// Writes the findings, the worst last, and says how bad it is.
pub fn write(findings: &[Finding], out: &mut impl Write) -> io::Result<Verdict> {
    let mut sorted: Vec<_> = findings.iter().collect();
    sorted.sort_by_key(|finding| finding.verdict);
    for Finding { verdict, about, found, advice } in sorted {
        let sign = match verdict {
            Verdict::Well => "ok  ",
            Verdict::Doubtful => "?   ",
            Verdict::Ill => "FAIL",
        };
        writeln!(out, "{sign}  {about}: {found}")?;
        if let Some(advice) = advice {
            writeln!(out, "      → {advice}")?;
        }
    }
    Ok(verdict(findings))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn the_worst_comes_last_with_what_to_do() {
        let findings = [
            Finding::ill("Redis", "it does not answer", "start it"),
            Finding::well("PostgreSQL", "version 17"),
            Finding::doubtful("eviction", "allkeys-lru", "set noeviction"),
        ];
        let mut out = Vec::new();
        assert_eq!(write(&findings, &mut out).unwrap(), Verdict::Ill);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "ok    PostgreSQL: version 17\n?     eviction: allkeys-lru\n      → set noeviction\nFAIL  Redis: it does not \
             answer\n      → start it\n"
        );
        assert_eq!(write(&[], &mut Vec::new()).unwrap(), Verdict::Well);
    }

    #[test]
    fn clocks_may_differ_by_two_seconds() {
        let ours = DateTime::UNIX_EPOCH;
        let verdict = |seconds| Finding::of_clock("PostgreSQL", ours + TimeDelta::seconds(seconds), ours).verdict;
        assert_eq!([2, -2, 3, -3].map(verdict), [Verdict::Well, Verdict::Well, Verdict::Doubtful, Verdict::Doubtful]);
    }
}
