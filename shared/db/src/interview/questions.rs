//! Questions of the interview: the shared bank, and own ones, visible to their owner only.

use chrono::NaiveDate;
use sqlx::{PgExecutor, Result};
use troupe_core::{
    ids::{PersonaId, QuestionId, UserId},
    model::interview::{Question, ResponseStatus},
};

use crate::Page;

/// A filter.
#[derive(Debug, Clone, Copy, Default)]
pub struct QuestionFilter<'a> {
    pub category: Option<&'a str>,
    /// Only own ones.
    pub mine: bool,
    /// The persona whose answers are shown; the caller owns it.
    pub persona: Option<PersonaId>,
    /// Only those that it has answered, drafts included, or only the others.
    pub answered: Option<bool>,
}

/// In the order of the interview, after such a position.
pub async fn list(
    db: impl PgExecutor<'_>,
    user: UserId,
    filter: QuestionFilter<'_>,
    page: Page<i64>,
) -> Result<Vec<Question>> {
    sqlx::query_as!(
        Question,
        r#"select q.id as "id!: QuestionId", q.category as "category!", q.text as "text!", q.owner_id is not null as "own!",
               r.status as "answer?: ResponseStatus", q.position as "position!"
           from (select * from questions where owner_id = $1
                 union all select * from questions where owner_id is null and not $4) q
           left join responses r on r.persona_id = $5 and r.question_id = q.id and r.deleted_at is null
           where q.position > $2 and ($3::text is null or q.category = $3)
             and ($6::boolean is null or (r.id is not null) = $6)
           order by q.position limit $7"#,
        user.as_uuid(),
        page.after.unwrap_or_default(),
        filter.category,
        filter.mine,
        filter.persona.map(PersonaId::as_uuid),
        filter.answered,
        page.limit,
    )
    .fetch_all(db)
    .await
}

/// Whether the user may answer it.
pub async fn may_answer(db: impl PgExecutor<'_>, user: UserId, id: QuestionId) -> Result<bool> {
    let found = sqlx::query_scalar!(
        r#"select 1 as "found!" from questions where id = $2 and (owner_id is null or owner_id = $1)"#,
        user.as_uuid(),
        id.as_uuid(),
    )
    .fetch_optional(db)
    .await?;
    Ok(found.is_some())
}

/// The question with the same text, up to case, spaces and the final punctuation mark.
pub async fn same(db: impl PgExecutor<'_>, user: UserId, text: &str) -> Result<Option<QuestionId>> {
    sqlx::query_scalar!(
        r#"select id as "id!: QuestionId" from (
               select id from questions where owner_id is null and key = question_key($2)
               union all select id from questions where owner_id = $1 and key = question_key($2)) q limit 1"#,
        user.as_uuid(),
        text,
    )
    .fetch_optional(db)
    .await
}

/// The number of the user's own questions.
pub async fn count_own(db: impl PgExecutor<'_>, user: UserId) -> Result<i64> {
    sqlx::query_scalar!(r#"select count(*) as "count!" from questions where owner_id = $1"#, user.as_uuid())
        .fetch_one(db)
        .await
}

pub async fn create(
    db: impl PgExecutor<'_>,
    id: QuestionId,
    owner: UserId,
    category: &str,
    text: &str,
) -> Result<Question> {
    sqlx::query_as!(
        Question,
        r#"insert into questions (id, owner_id, category, text) values ($1, $2, $3, $4)
           returning id as "id: QuestionId", category, text, true as "own!", null as "answer: ResponseStatus", position"#,
        id.as_uuid(),
        owner.as_uuid(),
        category,
        text,
    )
    .fetch_one(db)
    .await
}

/// Deletes an own question; `false` where there is none. An answered one violates a foreign key.
pub async fn delete(db: impl PgExecutor<'_>, owner: UserId, id: QuestionId) -> Result<bool> {
    let done = sqlx::query!("delete from questions where owner_id = $1 and id = $2", owner.as_uuid(), id.as_uuid())
        .execute(db)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// The question of a day, if it is chosen.
pub async fn of_day(db: impl PgExecutor<'_>, persona: PersonaId, day: NaiveDate) -> Result<Option<Question>> {
    sqlx::query_as!(
        Question,
        r#"select q.id as "id: QuestionId", q.category, q.text, q.owner_id is not null as "own!",
               r.status as "answer?: ResponseStatus", q.position
           from daily_questions d join questions q on q.id = d.question_id
           left join responses r on r.persona_id = $1 and r.question_id = q.id and r.deleted_at is null
           where d.persona_id = $1 and d.asked_on = $2"#,
        persona.as_uuid(),
        day,
    )
    .fetch_optional(db)
    .await
}

/// Chooses the question of a day: unanswered ones first, then drafts; among these the least recently asked; then
/// alternating between categories, each in order. The caller has locked the persona.
pub async fn choose(db: impl PgExecutor<'_>, owner: UserId, persona: PersonaId, day: NaiveDate) -> Result<()> {
    sqlx::query!(
        "with candidates as (
             select q.id, q.position, d.asked_on, case r.status when 'final' then 2 when 'draft' then 1 else 0 end as answered,
                 row_number() over (partition by q.category order by q.position) as place
             from (select id, position, category from questions where owner_id = $1
                   union all select id, position, category from questions where owner_id is null) q
             left join responses r on r.persona_id = $2 and r.question_id = q.id and r.deleted_at is null
             left join daily_questions d on d.persona_id = $2 and d.question_id = q.id
         ), chosen as (
             select id from candidates order by answered, asked_on nulls first, place, position limit 1
         )
         insert into daily_questions (persona_id, question_id, asked_on) select $2, id, $3 from chosen
         on conflict (persona_id, question_id) do update set asked_on = excluded.asked_on",
        owner.as_uuid(),
        persona.as_uuid(),
        day,
    )
    .execute(db)
    .await?;
    Ok(())
}
