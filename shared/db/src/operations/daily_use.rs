//! Use by day, tier and persona, counted hour by hour from the requests.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{PgConnection, PgExecutor, Result};
use troupe_core::ids::PersonaId;

/// Replies that end later after their hour than this are counted as messages without a reply.
const GRACE: Duration = Duration::from_mins(10);

/// Counts the next hour that is over and not counted yet; `None` where there is none. In the caller's transaction.
pub async fn count_hour(db: &mut PgConnection) -> Result<Option<DateTime<Utc>>> {
    let next = sqlx::query_scalar!(
        r#"with begun as (
               insert into daily_use_counted (until) values (date_trunc('hour', now()) - interval '1 day')
               on conflict do nothing returning until),
           counted as (select until from begun union all select until from daily_use_counted)
           select max(until) as until from counted
           having max(until) + interval '1 hour' + make_interval(secs => $1) <= now()"#,
        GRACE.as_secs_f64(),
    )
    .fetch_optional(&mut *db)
    .await?
    .flatten();
    let Some(hour) = next else { return Ok(None) };
    sqlx::query!(
        r#"insert into daily_users (day, user_id, tier)
           select distinct on (r.user_id) ($1::timestamptz at time zone 'utc')::date, r.user_id, r.tier
           from requests r cross join lateral (select from users where id = r.user_id offset 0) u
           where r.id >= least_id($1) and r.id < least_id($1 + interval '1 hour')
           on conflict do nothing"#,
        hour,
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!(
        r#"insert into daily_use as d (day, tier, persona_id, messages, replies, failed, prompt_tokens, completion_tokens, cost)
           select ($1::timestamptz at time zone 'utc')::date, r.tier, c.persona_id, count(*),
               count(*) filter (where r.status = 'completed'), count(*) filter (where r.status = 'failed'),
               coalesce(sum((r.usage->>'prompt_tokens')::bigint), 0)::bigint,
               coalesce(sum((r.usage->>'completion_tokens')::bigint), 0)::bigint, coalesce(sum(r.cost), 0)
           from requests r
           cross join lateral (select persona_id from conversations where id = r.conversation_id offset 0) c
           where r.id >= least_id($1) and r.id < least_id($1 + interval '1 hour')
           group by r.tier, c.persona_id
           on conflict (day, tier, persona_id) do update set messages = d.messages + excluded.messages,
               replies = d.replies + excluded.replies, failed = d.failed + excluded.failed,
               prompt_tokens = d.prompt_tokens + excluded.prompt_tokens,
               completion_tokens = d.completion_tokens + excluded.completion_tokens, cost = d.cost + excluded.cost"#,
        hour,
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!("update daily_use_counted set until = $1::timestamptz + interval '1 hour'", hour)
        .execute(&mut *db)
        .await?;
    Ok(Some(hour))
}

/// Removes days past their retention.
pub async fn remove_old(db: &mut PgConnection, kept: Duration, users_kept: Duration) -> Result<()> {
    sqlx::query!("delete from daily_use where day < (now() - make_interval(secs => $1))::date", kept.as_secs_f64())
        .execute(&mut *db)
        .await?;
    sqlx::query!(
        "delete from daily_users where day < (now() - make_interval(secs => $1))::date",
        users_kept.as_secs_f64()
    )
    .execute(&mut *db)
    .await?;
    Ok(())
}

/// The use of a tier on a day.
#[derive(Debug, Clone)]
pub struct DayOfTier {
    pub day: NaiveDate,
    pub tier: String,
    pub users: i64,
    pub messages: i64,
    pub replies: i64,
    pub failed: i64,
    pub prompt_tokens: i64,
    pub completion_tokens: i64,
    pub cost: f64,
    pub thumbs_up: i64,
    pub thumbs_down: i64,
}

/// The days from this one on, oldest first. A rating counts on the day of its message.
pub async fn days(db: impl PgExecutor<'_>, from: NaiveDate) -> Result<Vec<DayOfTier>> {
    sqlx::query_as!(
        DayOfTier,
        r#"with used as (
               select day, tier, sum(messages)::bigint as messages, sum(replies)::bigint as replies,
                   sum(failed)::bigint as failed, sum(prompt_tokens)::bigint as prompt_tokens,
                   sum(completion_tokens)::bigint as completion_tokens, sum(cost) as cost
               from daily_use where day >= $1 group by day, tier),
           users as (select day, tier, count(*) as users from daily_users where day >= $1 group by day, tier),
           ratings as (
               select (r.created_at at time zone 'utc')::date as day, r.tier,
                   count(*) filter (where f.rating = 'up') as up, count(*) filter (where f.rating = 'down') as down
               from feedback f
               cross join lateral (select created_at, tier from requests where id = f.request_id offset 0) r
               where f.request_id >= least_id($1::date::timestamp at time zone 'utc') group by 1, 2)
           select u.day as "day!", u.tier as "tier!", coalesce(n.users, 0) as "users!", u.messages as "messages!",
               u.replies as "replies!", u.failed as "failed!", u.prompt_tokens as "prompt_tokens!",
               u.completion_tokens as "completion_tokens!", u.cost as "cost!", coalesce(f.up, 0) as "thumbs_up!",
               coalesce(f.down, 0) as "thumbs_down!"
           from used u left join users n using (day, tier) left join ratings f using (day, tier)
           order by u.day, u.tier"#,
        from,
    )
    .fetch_all(db)
    .await
}

/// The use of a persona.
#[derive(Debug, Clone)]
pub struct UseOfPersona {
    pub persona: PersonaId,
    pub slug: String,
    pub name: String,
    pub messages: i64,
    pub replies: i64,
    pub cost: f64,
    pub thumbs_up: i64,
    pub thumbs_down: i64,
}

/// The most used personas since a day.
pub async fn personas(db: impl PgExecutor<'_>, from: NaiveDate, limit: i64) -> Result<Vec<UseOfPersona>> {
    sqlx::query_as!(
        UseOfPersona,
        r#"with used as (
               select persona_id, sum(messages)::bigint as messages, sum(replies)::bigint as replies, sum(cost) as cost
               from daily_use where day >= $1 group by persona_id order by 2 desc limit $2)
           select p.id as "persona: PersonaId", p.slug, p.name, u.messages as "messages!", u.replies as "replies!",
               u.cost as "cost!", f.up as "thumbs_up!", f.down as "thumbs_down!"
           from used u cross join lateral (select id, slug, name from personas where id = u.persona_id offset 0) p
           cross join lateral (
               select count(*) filter (where rating = 'up') as up, count(*) filter (where rating = 'down') as down
               from feedback
               where persona_id = p.id and request_id >= least_id($1::date::timestamp at time zone 'utc')) f
           order by u.messages desc, p.slug"#,
        from,
        limit,
    )
    .fetch_all(db)
    .await
}
