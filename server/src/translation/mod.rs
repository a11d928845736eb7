//! Texts in other languages, which workers translate: texts of the interface in languages without a catalogue, kept for
//! everybody by their source, so that a changed text is translated anew ([`texts`]); and messages, each for its reader.

mod catalogues;
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
    tried: Mutex<Tried>,
}

/// When texts could not be translated, and catalogues were begun, by the keys of their jobs. There are as many as texts
/// and languages.
type Tried = HashMap<String, Instant>;

impl Translation {
    pub(crate) fn new(pool: PgPool, configuration: Live) -> Self {
        Self { pool, configuration, tried: Mutex::default() }
    }

    fn note_try(&self, key: String) {
        self.tried.lock().insert(key, Instant::now());
    }

    /// Whether it is too early to try again.
    fn was_tried(&self, key: &str, pause: Duration) -> bool {
        self.tried.lock().get(key).is_some_and(|tried_at| tried_at.elapsed() < pause)
    }
}
