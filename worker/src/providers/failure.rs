//! What each failure of a provider means. The table of docs/PROVIDERS.md, as code.

use std::time::Duration;

use troupe_core::model::providers::Outcome;

/// Why a provider did not answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    /// Never [`Outcome::Completed`].
    pub(crate) outcome: Outcome,
    /// For operators: it may quote the service.
    pub(crate) message: String,
    /// When the service wants to be asked again.
    pub(crate) retry_after: Option<Duration>,
}

impl Failure {
    /// Without zero characters, of which PostgreSQL stores none: what a service says may hold anything.
    pub(crate) fn new(outcome: Outcome, message: impl Into<String>) -> Self {
        let mut message = message.into();
        message.retain(|c| c != '\0');
        Self { outcome, message, retry_after: None }
    }
}

/// Who else may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Elsewhere {
    /// The next link, now.
    Next,
    /// The same link, with a shorter prompt; then the next.
    Shorter,
    /// Nobody: it would fail everywhere.
    Nobody,
}

/// What becomes of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyThen {
    Stays,
    /// A pause, as long as the service asks for, up to `models.rate_limit_cap`.
    Rests,
    /// A long pause, `models.key_out`.
    Out,
    /// The same, and somebody must look at it.
    OutWithAlarm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Consequence {
    pub(crate) elsewhere: Elsewhere,
    pub(crate) key: KeyThen,
    /// Whether it counts against the breaker.
    pub(crate) counts: bool,
    /// Whether another attempt may help, later, when nobody else could.
    pub(crate) again: bool,
}

/// The one table.
pub(crate) const fn consequence(outcome: Outcome) -> Consequence {
    use Elsewhere::{Next, Nobody, Shorter};
    use KeyThen::{Out, OutWithAlarm, Rests, Stays};
    let (elsewhere, key, counts, again) = match outcome {
        Outcome::RateLimited => (Next, Rests, false, true),
        Outcome::OutOfMoney => (Next, Out, false, true),
        Outcome::KeyRefused => (Next, OutWithAlarm, false, true),
        Outcome::NoSuchModel | Outcome::Filtered => (Next, Stays, false, false),
        Outcome::TooLong => (Shorter, Stays, false, false),
        Outcome::Failed
        | Outcome::Unreachable
        | Outcome::Silent
        | Outcome::Stalled
        | Outcome::Endless
        | Outcome::Cut
        | Outcome::Malformed
        | Outcome::Empty => (Next, Stays, true, true),
        Outcome::BadCall | Outcome::Completed | Outcome::Refused | Outcome::Outrun | Outcome::Abandoned => {
            (Nobody, Stays, false, false)
        }
    };
    Consequence { elsewhere, key, counts, again }
}
