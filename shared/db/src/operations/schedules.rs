//! Schedules: work that is done at intervals, by whichever worker comes first.

use std::time::Duration;

use sqlx::{PgConnection, PgExecutor, Result};

/// Begins a run; `false` where one was begun within the interval.
pub async fn begin(db: impl PgExecutor<'_>, name: &str, worker: &str, interval: Duration) -> Result<bool> {
    let done = sqlx::query!(
        "insert into schedules as s (name, last_run, worker) values ($1, now(), $2)
         on conflict (name) do update set last_run = now(), worker = $2
         where s.last_run <= now() - make_interval(secs => $3)",
        name,
        worker,
        interval.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Keeps other runs out for as long as the connection lasts; `false` where one is under way.
pub async fn hold(db: &mut PgConnection, name: &str) -> Result<bool> {
    sqlx::query_scalar!(
        r#"select pg_try_advisory_lock(hashtextextended('troupe schedule ' || $1::text, 0)) as "held!""#,
        name,
    )
    .fetch_one(db)
    .await
}
