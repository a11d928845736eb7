//! Verifies the audit log: no entry is missing, and each has the hash that follows from all entries before it.
//!
//! Somebody with full access to the database can rewrite the whole log. So the result has the last verified position
//! and its hash: kept elsewhere and given again, it shows whether the log is still the same.

use std::{
    str::FromStr,
    time::{Duration, Instant},
};

use serde::Serialize;
use sqlx::PgPool;
use troupe_db::operations::audit;
use utoipa::ToSchema;

use super::chain::{fault, genesis};
use crate::{auth::secrets::hex, http::error::ApiError};

const PAGE: i64 = 1_000;
/// The maximum per call.
pub(crate) const MAX_ENTRIES: i64 = 100_000;

/// The part of the log to verify.
pub(crate) struct Stretch {
    pub(crate) after: Option<Checkpoint>,
    pub(crate) limit: i64,
    /// After this time the result has the position reached.
    pub(crate) time: Duration,
}

/// A position in the log, and the hash of the entry there: `<position>-<hash>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    position: i64,
    hash: Vec<u8>,
}

/// The result of a verification.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Verified {
    /// Whether the verified entries are intact.
    pub(super) whole: bool,
    /// The number of verified entries.
    pub(super) entries: i64,
    /// The last verified entry. Keep it outside the system and pass it as `after` later: a rewritten log is detected.
    #[schema(example = "1207-9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    reached: String,
    /// Where to continue, as `after`, if there are more entries than one call verifies.
    pub(super) next: Option<String>,
    broken: Option<Broken>,
}

/// The first invalid entry.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Broken {
    position: i64,
    #[schema(example = "the entry is missing")]
    why: String,
}

/// Verifies the entries after a checkpoint; from the beginning without one.
pub(crate) async fn verify(pool: &PgPool, Stretch { after, limit, time }: Stretch) -> Result<Verified, ApiError> {
    let started = Instant::now();
    // Entries that are appended meanwhile are left to a later call.
    let (newest, newest_hash) = audit::head(pool).await?;
    let mut at = after.unwrap_or_else(|| Checkpoint { position: 0, hash: genesis() });
    if at.position > 0 && audit::hash(pool, at.position).await?.is_none_or(|hash| hash != at.hash) {
        let position = at.position;
        return Ok(Verified::broken(0, &at, position, "the entry is not the one that was here"));
    }
    let first = at.position;
    let last = newest.min(at.position + limit);
    while at.position < last && (at.position == first || started.elapsed() < time) {
        let links = audit::links(pool, at.position, PAGE.min(last - at.position)).await?;
        if links.is_empty() {
            return Ok(Verified::broken(at.position - first, &at, at.position + 1, "the entry is missing"));
        }
        for link in links {
            if let Some(why) = fault(&link, at.position + 1, &at.hash) {
                return Ok(Verified::broken(at.position - first, &at, at.position + 1, why));
            }
            at = Checkpoint { position: link.position, hash: link.hash };
        }
    }
    if at.position >= newest && at != (Checkpoint { position: newest, hash: newest_hash }) {
        return Ok(Verified::broken(
            at.position - first,
            &at,
            at.position,
            "it is not the newest entry that was written",
        ));
    }
    let next = (at.position < newest).then(|| at.to_string());
    Ok(Verified { whole: true, entries: at.position - first, reached: at.to_string(), next, broken: None })
}

impl Verified {
    fn broken(entries: i64, reached: &Checkpoint, position: i64, why: &str) -> Self {
        let broken = Some(Broken { position, why: why.to_owned() });
        Self { whole: false, entries, reached: reached.to_string(), next: None, broken }
    }

    pub(crate) fn log(&self) {
        let Self { whole, entries, reached, broken, .. } = self;
        match broken {
            None => tracing::info!(whole, entries, reached, "looked at the audit log"),
            Some(Broken { position, why }) => tracing::error!(position, why, reached, "the audit log is broken"),
        }
    }
}

impl std::fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.position, hex(&self.hash))
    }
}

impl FromStr for Checkpoint {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (position, hash) = text.split_once('-').ok_or(())?;
        let position = position.parse().ok().filter(|position| *position >= 0).ok_or(())?;
        let digits = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        let byte = |at: usize| u8::from_str_radix(&hash[at..at + 2], 16).map_err(drop);
        let hash = if digits { (0..64).step_by(2).map(byte).collect::<Result<_, ()>>()? } else { return Err(()) };
        Ok(Self { position, hash })
    }
}
