//! Looks whether the audit log is whole: every entry in its place, with the hash that follows from all before it.
//!
//! Whoever may do anything with the database can write a whole log anew. So the answer says how far the chain is whole,
//! and by which hash: who keeps that elsewhere and asks again from there learns whether it is still the same log.

use std::{
    str::FromStr,
    time::{Duration, Instant},
};

use serde::Serialize;
use sqlx::PgPool;
use troupe_db::operations::audit;
use utoipa::ToSchema;

use super::chain::{beginning, fault};
use crate::{auth::secrets::hex, http::error::ApiError};

const PAGE: i64 = 1_000;
/// More are not looked at in one call.
pub(crate) const MAX_ENTRIES: i64 = 100_000;

/// What is looked at.
pub(crate) struct Stretch {
    pub(crate) after: Option<Place>,
    pub(crate) limit: i64,
    /// When it takes longer, the answer says how far it came.
    pub(crate) time: Duration,
}

/// A place in the log, and the hash of the entry there: `<position>-<hash>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    position: i64,
    hash: Vec<u8>,
}

/// Whether the log is whole.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Verified {
    /// Whether all is well that was looked at.
    whole: bool,
    /// How many entries were found to be well.
    entries: i64,
    /// The last of them. Keep it elsewhere, and give it as `after` another time: then it is seen if the log was written
    /// anew.
    #[schema(example = "1207-9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    reached: String,
    /// Where to go on, if there are more than one call looks at; as `after`.
    next: Option<String>,
    broken: Option<Broken>,
}

/// The first entry that is not as it should be.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Broken {
    position: i64,
    #[schema(example = "the entry is missing")]
    why: String,
}

/// Looks at what comes after a place; from the beginning unless told.
pub(crate) async fn verify(pool: &PgPool, Stretch { after, limit, time }: Stretch) -> Result<Verified, ApiError> {
    let called = Instant::now();
    // What is appended meanwhile is another call's.
    let (newest, newest_hash) = audit::head(pool).await?;
    let mut at = after.unwrap_or_else(|| Place { position: 0, hash: beginning() });
    if at.position > 0 && audit::hash(pool, at.position).await?.is_none_or(|hash| hash != at.hash) {
        let position = at.position;
        return Ok(Verified::broken(0, &at, position, "the entry is not the one that was here"));
    }
    let (began, last) = (at.position, newest.min(at.position + limit));
    while at.position < last && (at.position == began || called.elapsed() < time) {
        let links = audit::links(pool, at.position, PAGE.min(last - at.position)).await?;
        if links.is_empty() {
            return Ok(Verified::broken(at.position - began, &at, at.position + 1, "the entry is missing"));
        }
        for link in links {
            if let Some(why) = fault(&link, at.position + 1, &at.hash) {
                return Ok(Verified::broken(at.position - began, &at, at.position + 1, why));
            }
            at = Place { position: link.position, hash: link.hash };
        }
    }
    if at.position >= newest && at != (Place { position: newest, hash: newest_hash }) {
        return Ok(Verified::broken(
            at.position - began,
            &at,
            at.position,
            "it is not the newest entry that was written",
        ));
    }
    let next = (at.position < newest).then(|| at.to_string());
    Ok(Verified { whole: true, entries: at.position - began, reached: at.to_string(), next, broken: None })
}

impl Verified {
    fn broken(entries: i64, reached: &Place, position: i64, why: &str) -> Self {
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

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.position, hex(&self.hash))
    }
}

impl FromStr for Place {
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
