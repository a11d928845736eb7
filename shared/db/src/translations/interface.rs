//! Translated texts of the interface, by the text's key, the digest of its source, and the language.

use std::{collections::HashMap, time::Duration};

use sqlx::{PgExecutor, Result};
use troupe_core::jobs::TranslateText;

/// Translations of an earlier source stay for so long: during an update, servers of both versions ask for theirs.
const STALE_KEPT: Duration = Duration::from_hours(7 * 24);

pub async fn find(db: impl PgExecutor<'_>, wanted: &TranslateText) -> Result<Option<String>> {
    let digest = wanted.source_digest();
    sqlx::query_scalar!(
        "select text from ui_translations where key = $1 and source_digest = $2 and language = $3",
        wanted.key,
        digest.as_slice(),
        wanted.language,
    )
    .fetch_optional(db)
    .await
}

/// The translations that there are of these texts, which are in one language, by key.
pub async fn find_all(
    db: impl PgExecutor<'_>,
    language: &str,
    wanted: &[TranslateText],
) -> Result<HashMap<String, String>> {
    let keys: Vec<_> = wanted.iter().map(|wanted| wanted.key.clone()).collect();
    let digests: Vec<_> = wanted.iter().map(|wanted| wanted.source_digest().to_vec()).collect();
    let rows = sqlx::query!(
        "select t.key, t.text from unnest($2::text[], $3::bytea[]) as w (key, digest)
         join ui_translations t on t.key = w.key and t.source_digest = w.digest and t.language = $1",
        language,
        &keys,
        &digests,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.key, row.text)).collect())
}

/// Stores a translation, unless a person has approved another, and removes old ones of other sources.
pub async fn store(db: impl PgExecutor<'_>, wanted: &TranslateText, text: &str, provider: &str) -> Result<()> {
    let digest = wanted.source_digest();
    sqlx::query!(
        "with stale as (
             delete from ui_translations
             where key = $1 and source_digest <> $2 and language = $3 and not reviewed
                 and created_at < now() - make_interval(secs => $6))
         insert into ui_translations (key, source_digest, language, text, provider) values ($1, $2, $3, $4, $5)
         on conflict (key, source_digest, language) do update
             set text = excluded.text, provider = excluded.provider, created_at = now()
             where not ui_translations.reviewed",
        wanted.key,
        digest.as_slice(),
        wanted.language,
        text,
        provider,
        STALE_KEPT.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(())
}
