//! One text in one language: from the table of reviewed ones, from the cache, or by a worker, now.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use troupe_core::{
    config::TranslationProvider,
    jobs::{Payload, TranslateText},
};
use troupe_db::{
    jobs::enqueue::{NewJob, enqueue_bounded, is_awaited},
    translations,
};

use super::Translation;

/// Texts that wait for a worker.
const MAX_OPEN: usize = 1_000;
const MAX_WAIT: Duration = Duration::from_secs(5);
const FIRST_LOOK: Duration = Duration::from_millis(20);
const MAX_PAUSE: Duration = Duration::from_millis(200);

/// The translation; `None` where there is none, and none within some seconds. Whoever else wants it waits for the same
/// worker.
pub(super) async fn translated(translation: &Translation, wanted: &TranslateText) -> sqlx::Result<Option<String>> {
    let settings = translation.configuration.now().translation.clone();
    let found = translations::find(&translation.pool, wanted).await?;
    if found.is_some() || settings.provider == TranslationProvider::Off {
        return Ok(found);
    }
    let key = wanted.key().unwrap_or_default();
    if translation.has_failed(&key, settings.retry_pause) {
        return Ok(None);
    }
    enqueue_bounded(&translation.pool, &NewJob::new(wanted), MAX_OPEN).await?;
    let deadline = Instant::now() + MAX_WAIT;
    let mut pause = FIRST_LOOK;
    while Instant::now() < deadline {
        sleep(pause).await;
        // Asked first: what is stored between both questions is found by the second.
        let is_awaited = is_awaited(&translation.pool, wanted).await?;
        let found = translations::find(&translation.pool, wanted).await?;
        if found.is_some() {
            return Ok(found);
        }
        if !is_awaited {
            translation.note_failure(key);
            return Ok(None);
        }
        pause = (pause * 2).min(MAX_PAUSE);
    }
    Ok(None)
}
