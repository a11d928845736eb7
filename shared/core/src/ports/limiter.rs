//! Counts calls, and says when there were too many.

use std::time::Duration;

use async_trait::async_trait;

use super::PortError;
use crate::quota::Quota;

/// A limit that a call counts against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// As callers are told.
    pub name: &'static str,
    /// Whose calls are counted together, in what the limits of one call have in common.
    pub subject: String,
    pub quota: Quota,
}

/// What is said of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What is owed to each limit now, in their order: see [`Quota`].
    pub owed: Vec<Duration>,
    /// Absent where the call may go on.
    pub refused: Option<Refused>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// Which of the limits has nothing left; the one that has something again last.
    pub limit: usize,
    pub retry_after: Duration,
}

#[async_trait]
pub trait Limiter: Send + Sync {
    /// Counts a call against all its limits, or, if one of them has nothing left, against none. `together` is what the
    /// limits of one call have in common: what is counted under it is in one place.
    async fn admit(&self, together: &str, limits: &[Limit]) -> Result<Verdict, PortError>;
}
