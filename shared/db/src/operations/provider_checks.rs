//! Health checks of providers: when each is due, and the last result.

use std::time::Duration;

use sqlx::{PgExecutor, Result};
use troupe_core::model::providers::{Check, Outcome};

/// Sets the list of (provider, key): new ones become due within the interval, others are removed.
pub async fn list(db: impl PgExecutor<'_>, endpoints: &[(String, String)], within: Duration) -> Result<()> {
    let (providers, keys): (Vec<_>, Vec<_>) = endpoints.iter().cloned().unzip();
    sqlx::query!(
        "with listed as (select * from unnest($1::text[], $2::text[]) as e (provider, key)),
         gone as (delete from provider_checks c
                  where not exists (select 1 from listed l where l.provider = c.provider and l.key = c.key))
         insert into provider_checks (provider, key, next_at)
         select provider, key, now() + random() * make_interval(secs => $3) from listed
         on conflict do nothing",
        &providers,
        &keys,
        within.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The due checks: each at its time; those of `unwell` endpoints already `again_after` the last one.
pub async fn due(
    db: impl PgExecutor<'_>,
    unwell: &[(String, String)],
    again_after: Duration,
) -> Result<Vec<(String, String)>> {
    let (providers, keys): (Vec<_>, Vec<_>) = unwell.iter().cloned().unzip();
    let rows = sqlx::query!(
        "select provider, key from provider_checks
         where next_at <= now()
            or checked_at <= now() - make_interval(secs => $3)
               and (provider, key) in (select * from unnest($1::text[], $2::text[]))",
        &providers,
        &keys,
        again_after.as_secs_f64(),
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.provider, row.key)).collect())
}

/// The result of a check.
#[derive(Debug, Clone)]
pub struct Found<'a> {
    pub provider: &'a str,
    pub key: &'a str,
    pub outcome: Outcome,
    pub detail: Option<&'a str>,
    pub took: Duration,
    /// When the next check is due.
    pub next: Duration,
}

pub async fn record(db: impl PgExecutor<'_>, found: &Found<'_>) -> Result<()> {
    sqlx::query!(
        "update provider_checks set checked_at = now(), outcome = $3, detail = $4, ms = $5,
             next_at = now() + make_interval(secs => $6)
         where provider = $1 and key = $2",
        found.provider,
        found.key,
        found.outcome.to_string(),
        found.detail,
        i32::try_from(found.took.as_millis()).unwrap_or(i32::MAX),
        found.next.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(())
}

pub async fn all(db: impl PgExecutor<'_>) -> Result<Vec<Check>> {
    sqlx::query_as!(
        Check,
        "select provider, nullif(key, '') as key, checked_at, outcome, detail, ms, next_at
         from provider_checks order by provider, key"
    )
    .fetch_all(db)
    .await
}
