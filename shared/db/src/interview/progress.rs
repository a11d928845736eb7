//! The progress of an interview, and the times of answers.

use chrono::{DateTime, Utc};
use sqlx::{PgExecutor, Result};
use troupe_core::{
    ids::{PersonaId, UserId},
    model::interview::CategoryProgress,
};

/// The progress of each category, in order.
pub async fn progress(db: impl PgExecutor<'_>, owner: UserId, persona: PersonaId) -> Result<Vec<CategoryProgress>> {
    sqlx::query_as!(
        CategoryProgress,
        r#"select q.category as "category!", count(*) as "total!", count(*) filter (where r.status = 'final') as "answered!",
               count(*) filter (where r.status = 'draft') as "drafts!",
               coalesce(sum(r.words) filter (where r.status = 'final'), 0) as "words!",
               max(r.written_at) as last_answer_at
           from (select id, position, category from questions where owner_id = $1
                 union all select id, position, category from questions where owner_id is null) q
           left join responses r on r.persona_id = $2 and r.question_id = q.id and r.deleted_at is null
           group by q.category order by min(q.position)"#,
        owner.as_uuid(),
        persona.as_uuid(),
    )
    .fetch_all(db)
    .await
}

/// The times of answers, to a quarter of an hour: every current time zone has its midnight at one.
pub async fn written_at(db: impl PgExecutor<'_>, persona: PersonaId) -> Result<Vec<DateTime<Utc>>> {
    sqlx::query_scalar!(
        r#"select distinct date_bin('15 minutes', written_at, 'epoch') as "at!" from (
               select written_at from responses where persona_id = $1
               union all
               select v.written_at from responses r join response_versions v on v.response_id = r.id where r.persona_id = $1) w"#,
        persona.as_uuid(),
    )
    .fetch_all(db)
    .await
}
