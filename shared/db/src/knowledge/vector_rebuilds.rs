//! The state of vector indexes: complete ones, and the progress of a rebuild, so that it can be resumed.

use sqlx::{PgExecutor, PgPool, Result};
use troupe_core::ids::PassageId;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// The last passage in the index.
    pub reached: Option<PassageId>,
    pub passages: i64,
}

/// Whether the rebuild of this index is complete.
pub async fn is_whole(db: impl PgExecutor<'_>, name: &str) -> Result<bool> {
    let whole =
        sqlx::query_scalar!(r#"select finished_at is not null as "whole!" from vector_rebuilds where name = $1"#, name);
    Ok(whole.fetch_optional(db).await?.unwrap_or(false))
}

/// Where to continue the rebuild of this index: from the start if it is empty, or was complete before.
pub async fn take_up(db: impl PgExecutor<'_>, name: &str, empty: bool) -> Result<Progress> {
    sqlx::query_as!(
        Progress,
        r#"insert into vector_rebuilds as r (name) values ($1)
           on conflict (name) do update set
               reached = case when $2 or r.finished_at is not null then null else r.reached end,
               passages = case when $2 or r.finished_at is not null then 0 else r.passages end,
               started_at = case when $2 or r.finished_at is not null then now() else r.started_at end,
               finished_at = null
           returning reached as "reached: PassageId", passages"#,
        name,
        empty,
    )
    .fetch_one(db)
    .await
}

pub async fn note(db: impl PgExecutor<'_>, name: &str, progress: Progress) -> Result<()> {
    sqlx::query!(
        "update vector_rebuilds set reached = $2, passages = $3 where name = $1",
        name,
        progress.reached.map(PassageId::as_uuid),
        progress.passages,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Marks the index as complete, and forgets all others.
pub async fn finish(db: &PgPool, name: &str) -> Result<()> {
    let mut transaction = db.begin().await?;
    sqlx::query!("delete from vector_rebuilds where name <> $1", name).execute(&mut *transaction).await?;
    let done = sqlx::query!("update vector_rebuilds set finished_at = now() where name = $1", name);
    done.execute(&mut *transaction).await?;
    transaction.commit().await
}
