//! The history of the queue: samples by minute, rolled up into hours.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor, Result};

/// What is read of the messages of one minute and tier, at most.
const MAX_MESSAGES: i64 = 50_000;

/// The state of a tier's queue at a sample.
#[derive(Debug, Clone, Default)]
pub struct QueueSample {
    pub tier: String,
    pub depth: i64,
    pub oldest_ms: i64,
    /// The queue's counter of jobs that have ended.
    pub finished: i64,
}

/// The step of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Minute,
    Hour,
}

impl Step {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
        }
    }
}

/// Records the minute before the present one: its messages from PostgreSQL, the state of the queue as sampled now.
/// Without samples the queue did not answer, and its columns are null.
pub async fn record_minute(db: &mut PgConnection, tiers: &[String], samples: &[QueueSample]) -> Result<()> {
    let of = |column: fn(&QueueSample) -> i64| samples.iter().map(column).collect::<Vec<_>>();
    let names: Vec<_> = samples.iter().map(|sample| sample.tier.clone()).collect();
    sqlx::query!(
        r#"with minute as (select date_trunc('minute', now()) - interval '1 minute' as at),
           messages as (
               select r.tier, r.status, extract(epoch from coalesce(r.started_at, now()) - r.created_at) * 1000 as wait
               from (select tier, status, started_at, created_at from requests, minute
                     where id >= least_id(at) and id < least_id(at + interval '1 minute') limit $6) r),
           counted as (
               select tier, count(*) as arrivals, count(*) filter (where status = 'failed') as failures,
                   percentile_disc(0.5) within group (order by wait) as p50,
                   percentile_disc(0.95) within group (order by wait) as p95
               from messages group by tier)
           insert into queue_history (step, at, tier, depth, oldest_ms, arrivals, failures, completions, wait_p50_ms,
               wait_p95_ms, finished)
           select 'minute', minute.at, t.tier, s.depth, s.oldest_ms, coalesce(c.arrivals, 0), coalesce(c.failures, 0),
               -- A lower count than before: the counter was reset.
               case when before.finished is null then null when s.finished >= before.finished then s.finished - before.finished
                   else s.finished end,
               c.p50, c.p95, s.finished
           from minute cross join unnest($1::text[]) as t (tier)
           left join unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[]) as s (tier, depth, oldest_ms, finished)
               on s.tier = t.tier
           left join counted c on c.tier = t.tier
           left join lateral (
               select h.finished from queue_history h
               where h.step = 'minute' and h.tier = t.tier and h.at < minute.at and h.finished is not null
                 and h.at > minute.at - interval '1 hour'
               order by h.at desc limit 1) before on true
           on conflict do nothing"#,
        tiers,
        &names,
        &of(|sample| sample.depth),
        &of(|sample| sample.oldest_ms),
        &of(|sample| sample.finished),
        MAX_MESSAGES,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Makes hours of the minutes of the last day, once they are over.
pub async fn roll_up_hours(db: impl PgExecutor<'_>) -> Result<u64> {
    let rolled = sqlx::query!(
        r#"insert into queue_history (step, at, tier, depth, oldest_ms, arrivals, failures, completions, wait_p50_ms, wait_p95_ms)
           select 'hour', date_trunc('hour', at), tier, max(depth), max(oldest_ms), sum(arrivals), sum(failures),
               sum(completions)::bigint, percentile_disc(0.5) within group (order by wait_p50_ms), max(wait_p95_ms)
           from queue_history
           where step = 'minute' and at >= date_trunc('hour', now()) - interval '24 hours' and at < date_trunc('hour', now())
           group by date_trunc('hour', at), tier
           on conflict do nothing"#,
    );
    Ok(rolled.execute(db).await?.rows_affected())
}

/// Removes minutes and hours past their retention.
pub async fn remove_old(db: impl PgExecutor<'_>, minutes: Duration, hours: Duration) -> Result<u64> {
    let removed = sqlx::query!(
        r#"delete from queue_history
           where (step = 'minute' and at < now() - make_interval(secs => $1))
              or (step = 'hour' and at < now() - make_interval(secs => $2))"#,
        minutes.as_secs_f64(),
        hours.as_secs_f64(),
    );
    Ok(removed.execute(db).await?.rows_affected())
}

/// A minute or an hour of a tier's queue.
#[derive(Debug, Clone)]
pub struct QueuePoint {
    pub at: DateTime<Utc>,
    pub tier: String,
    pub depth: Option<i64>,
    pub oldest_ms: Option<i64>,
    pub arrivals: i32,
    pub failures: i32,
    pub completions: Option<i64>,
    pub wait_p50_ms: Option<i64>,
    pub wait_p95_ms: Option<i64>,
}

/// The points from a time on, oldest first, at most `limit`.
pub async fn points(
    db: impl PgExecutor<'_>,
    step: Step,
    from: DateTime<Utc>,
    tier: Option<&str>,
    limit: i64,
) -> Result<Vec<QueuePoint>> {
    sqlx::query_as!(
        QueuePoint,
        r#"select at, tier, depth, oldest_ms, arrivals, failures, completions, wait_p50_ms, wait_p95_ms
           from queue_history where step = $1 and at >= $2 and ($3::text is null or tier = $3)
           order by at, tier limit $4"#,
        step.name(),
        from,
        tier,
        limit,
    )
    .fetch_all(db)
    .await
}
