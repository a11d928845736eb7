//! Sound by the digest of its voice and text.

use std::time::Duration;

use sqlx::{PgExecutor, Result};
use troupe_core::{ids::UserId, jobs::SpeakSentence};

/// A sound.
#[derive(Debug, Clone)]
pub struct Clip {
    /// A WAV file.
    pub bytes: Vec<u8>,
    pub duration_ms: i32,
}

/// The sound that there is, which is then used anew. Notes the use once an hour at most: reads are many.
pub async fn find(db: impl PgExecutor<'_>, user: UserId, digest: &[u8; 32]) -> Result<Option<Clip>> {
    sqlx::query_as!(
        Clip,
        "with used as (
             update audio_cache set used_at = now()
             where user_id = $1 and digest = $2 and used_at < now() - interval '1 hour')
         select bytes, duration_ms from audio_cache where user_id = $1 and digest = $2",
        user.as_uuid(),
        digest.as_slice(),
    )
    .fetch_optional(db)
    .await
}

/// Keeps what was spoken of a job's sentence.
pub async fn store(db: impl PgExecutor<'_>, spoken: &SpeakSentence, Clip { bytes, duration_ms }: &Clip) -> Result<()> {
    let digest = spoken.digest();
    sqlx::query!(
        "insert into audio_cache (user_id, conversation_id, digest, voice, bytes, size, duration_ms)
         values ($1, $2, $3, $4, $5, octet_length($5::bytea), $6)
         on conflict (user_id, digest) do update set used_at = now()",
        spoken.user_id.as_uuid(),
        spoken.conversation_id.as_uuid(),
        digest.as_slice(),
        spoken.voice,
        bytes,
        duration_ms,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Removes what was heard before so long, and the least recently heard beyond so many bytes; returns how many.
pub async fn remove_unused(db: impl PgExecutor<'_>, kept: Duration, max_bytes: i64, max_rows: i64) -> Result<u64> {
    let done = sqlx::query!(
        "with surplus as (
             select used_at from (
                 select used_at, sum(size) over (order by used_at desc, size) as bytes from audio_cache) newest
             where bytes > $2 order by used_at desc limit 1)
         delete from audio_cache where ctid = any (array(
             select ctid from audio_cache
             where used_at < greatest(now() - make_interval(secs => $1), (select used_at + interval '1 microsecond' from surplus))
             order by used_at limit $3 for update skip locked))",
        kept.as_secs_f64(),
        max_bytes,
        max_rows,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}
