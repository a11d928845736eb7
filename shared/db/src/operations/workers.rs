//! The workers that there are: each says so as long as it lives, so that admins see who works, and who has died.

use std::time::Duration;

use sqlx::{PgExecutor, Result};
use troupe_core::model::admin::Worker;

/// Says that a worker lives, and will say so again before this time is over. Forgets those that died an hour ago.
pub async fn report(
    db: impl PgExecutor<'_>,
    name: &str,
    version: &str,
    slots: usize,
    alive_for: Duration,
) -> Result<()> {
    sqlx::query!(
        "with forgotten as (delete from workers where alive_until < now() - interval '1 hour' and name <> $1)
         insert into workers (name, version, slots, alive_until) values ($1, $2, $3, now() + make_interval(secs => $4))
         on conflict (name) do update set seen_at = now(), alive_until = excluded.alive_until",
        name,
        version,
        i32::try_from(slots).unwrap_or(i32::MAX),
        alive_for.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Takes leave of a worker that has ended in good order.
pub async fn remove(db: impl PgExecutor<'_>, name: &str) -> Result<()> {
    sqlx::query!("delete from workers where name = $1", name).execute(db).await?;
    Ok(())
}

/// All that are known, the longest-serving first; what they do is told by [`crate::replies::queue_state::running`].
pub async fn list(db: impl PgExecutor<'_>) -> Result<Vec<Worker>> {
    let rows = sqlx::query!(
        r#"select name, version, slots, started_at, seen_at, alive_until > now() as "alive!" from workers
           order by started_at, name limit 1000"#,
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Worker {
            name: row.name,
            version: row.version,
            slots: row.slots,
            started_at: row.started_at,
            seen_at: row.seen_at,
            alive: row.alive,
            running: Vec::new(),
        })
        .collect())
}
