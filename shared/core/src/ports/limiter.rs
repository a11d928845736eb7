//! Rate limiting of calls.

use std::time::Duration;

use async_trait::async_trait;

use super::PortError;
use crate::quota::Quota;

/// A limit that a call counts against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// The public name.
    pub name: &'static str,
    /// The counter within the group: calls of the same subject are counted together.
    pub subject: String,
    pub quota: Quota,
}

/// The result of counting a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What is owed to each limit now, in their order: see [`Quota`].
    pub owed: Vec<Duration>,
    /// `None` where the call is admitted.
    pub refused: Option<Refused>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// The index of the exhausted limit; of several, the one with the longest `retry_after`.
    pub limit: usize,
    pub retry_after: Duration,
}

#[async_trait]
pub trait Limiter: Send + Sync {
    /// Counts a call against all its limits or, if one of them is exhausted, against none. The counters of one `group`
    /// are stored together.
    async fn admit(&self, group: &str, limits: &[Limit]) -> Result<Verdict, PortError>;
}
