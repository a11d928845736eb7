//! Texts of the interface in languages without a catalogue. Workers translate them; what they have translated is kept
//! for all servers, by the text's source, so that a changed text is translated anew ([`texts`]).

mod reviewed;
pub(crate) mod routes;
mod texts;

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;
use sqlx::PgPool;
use tokio::time::Instant;
use troupe_core::config::Live;

pub(crate) struct Translation {
    pool: PgPool,
    configuration: Live,
    failed: Mutex<Failed>,
}

/// When texts could not be translated, by the keys of their jobs. There are as many as texts and languages.
type Failed = HashMap<String, Instant>;

impl Translation {
    pub(crate) fn new(pool: PgPool, configuration: Live) -> Self {
        Self { pool, configuration, failed: Mutex::default() }
    }

    fn note_failure(&self, key: String) {
        self.failed.lock().insert(key, Instant::now());
    }

    /// Whether it is too early to try again.
    fn has_failed(&self, key: &str, pause: Duration) -> bool {
        self.failed.lock().get(key).is_some_and(|failed_at| failed_at.elapsed() < pause)
    }
}
