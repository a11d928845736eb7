//! One text of the interface in one language: from the cache, or by a worker, now.

use std::time::Duration;

use tokio::time::Instant;
use troupe_core::jobs::{Payload, TranslateText};
use troupe_db::{jobs::enqueue::NewJob, translations::interface as translations};

use super::Translation;
use crate::ordered::{Ordered, order, until_made};

const MAX_WAIT: Duration = Duration::from_secs(5);

/// The translation; `None` where there is none, and none within some seconds. Whoever else wants it waits for the same
/// worker.
pub(super) async fn translated(translation: &Translation, wanted: &TranslateText) -> sqlx::Result<Option<String>> {
    let Translation { pool, .. } = translation;
    let config = translation.configuration.now();
    let found = translations::find(pool, wanted).await?;
    if found.is_some() || !config.translates() {
        return Ok(found);
    }
    let key = wanted.key().unwrap_or_default();
    if translation.was_tried(&key, config.translation.retry_pause) {
        return Ok(None);
    }
    let deadline = Instant::now() + MAX_WAIT;
    if !order(pool, &NewJob::new(wanted), wanted).await? {
        return Ok(None);
    }
    Ok(match until_made(pool, wanted, deadline, || translations::find(pool, wanted)).await? {
        Ordered::Made(text) => Some(text),
        Ordered::Failed => {
            translation.note_try(key);
            None
        }
        Ordered::NotYet => None,
    })
}
