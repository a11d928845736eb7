//! Failures of providers, and their consequences for failover, circuit breaker and retry. The table of
//! docs/PROVIDERS.md, as code.

use std::time::Duration;

use troupe_core::{
    circuit_breaker::{BreakerFailure, KeyAction},
    model::providers::Outcome,
};

/// Why a provider gave no reply.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    /// Never [`Outcome::Completed`].
    pub(crate) outcome: Outcome,
    /// For operators: it may quote the service.
    pub(crate) message: String,
    /// When the service wants to be called again.
    pub(crate) retry_after: Option<Duration>,
}

impl Failure {
    /// Without zero characters, of which PostgreSQL stores none: a service's message may hold anything.
    pub(crate) fn new(outcome: Outcome, message: impl Into<String>) -> Self {
        let mut message = message.into();
        message.retain(|c| c != '\0');
        Self { outcome, message, retry_after: None }
    }

    /// The failure for its endpoint's circuit breaker.
    pub(crate) const fn for_breaker(&self) -> BreakerFailure {
        let Consequence { key, counts, .. } = consequence(self.outcome);
        BreakerFailure { outcome: self.outcome, counts, key, retry_after: self.retry_after }
    }
}

/// The next target of failover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailoverTarget {
    NextLink,
    /// The same link with a shorter prompt; then the next.
    ShorterPrompt,
    /// No target: it would fail everywhere.
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Consequence {
    pub(crate) failover: FailoverTarget,
    pub(crate) key: KeyAction,
    /// Whether it counts against the circuit breaker.
    pub(crate) counts: bool,
    /// Whether another attempt may help, later, when no other provider could.
    pub(crate) retryable: bool,
}

/// The one table.
pub(crate) const fn consequence(outcome: Outcome) -> Consequence {
    use FailoverTarget::{NextLink, None, ShorterPrompt};
    use KeyAction::{Disable, DisableAndAlert, Keep, Pause};
    let (failover, key, counts, retryable) = match outcome {
        Outcome::RateLimited => (NextLink, Pause, false, true),
        Outcome::OutOfMoney => (NextLink, Disable, false, true),
        Outcome::KeyRefused => (NextLink, DisableAndAlert, false, true),
        Outcome::NoSuchModel | Outcome::Filtered => (NextLink, Keep, false, false),
        Outcome::TooLong => (ShorterPrompt, Keep, false, false),
        Outcome::Failed
        | Outcome::Unreachable
        | Outcome::Silent
        | Outcome::Stalled
        | Outcome::Endless
        | Outcome::Cut
        | Outcome::Malformed
        | Outcome::Empty => (NextLink, Keep, true, true),
        Outcome::BadCall | Outcome::Completed | Outcome::Refused | Outcome::Outrun | Outcome::Abandoned => {
            (None, Keep, false, false)
        }
    };
    Consequence { failover, key, counts, retryable }
}
