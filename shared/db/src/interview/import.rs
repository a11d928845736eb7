//! Import of many answers.

use sqlx::{PgExecutor, Result};
use troupe_core::{
    ids::{PersonaId, QuestionId, UserId},
    model::interview::ResponseStatus,
};

/// An imported answer, with its question.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    pub question_id: Option<QuestionId>,
    pub question: Option<&'a str>,
    /// For a question that is created.
    pub category: &'a str,
    pub content: &'a str,
    pub status: ResponseStatus,
}

/// Creates own questions of texts that are neither in the bank nor the user's own; returns their number.
pub async fn add_questions(db: impl PgExecutor<'_>, owner: UserId, incoming: &[Incoming<'_>]) -> Result<u64> {
    let unknown: Vec<_> = incoming.iter().filter(|one| one.question.is_some()).collect();
    let ids: Vec<_> = unknown.iter().map(|_| QuestionId::new().as_uuid()).collect();
    let question_ids: Vec<_> = unknown.iter().map(|one| one.question_id.map(QuestionId::as_uuid)).collect();
    let texts: Vec<_> = unknown.iter().filter_map(|one| one.question.map(str::to_owned)).collect();
    let categories: Vec<_> = unknown.iter().map(|one| one.category.to_owned()).collect();
    let done = sqlx::query!(
        "insert into questions (id, owner_id, category, text)
         select id, $1, category, text from (
             select distinct on (key) i.id, i.told, i.category, i.text, i.place, key
             from unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[]) with ordinality as i (id, told, category, text, place)
             cross join lateral question_key(i.text) key
             where not exists (select from questions q where q.id = i.told and (q.owner_id is null or q.owner_id = $1))
             order by key, i.place) unknown
         where not exists (select from questions q where q.owner_id is null and q.key = unknown.key)
         order by place
         on conflict (owner_id, key) do nothing",
        owner.as_uuid(),
        &ids,
        &question_ids as &[Option<uuid::Uuid>],
        &categories,
        &texts,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

/// The existing question and answer of an imported answer.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    pub question: Option<QuestionId>,
    /// The status of the existing answer, unless it is deleted.
    pub status: Option<ResponseStatus>,
    /// Whether the existing answer has the same content and status.
    pub same: bool,
}

/// Finds the question of each (by id, else by text), in order, and the answer to it.
pub async fn find_known(
    db: impl PgExecutor<'_>,
    owner: UserId,
    persona: PersonaId,
    incoming: &[Incoming<'_>],
) -> Result<Vec<Known>> {
    let ids: Vec<_> = incoming.iter().map(|one| one.question_id.map(QuestionId::as_uuid)).collect();
    let texts: Vec<_> = incoming.iter().map(|one| one.question.map(str::to_owned)).collect();
    let contents: Vec<_> = incoming.iter().map(|one| one.content.to_owned()).collect();
    let statuses: Vec<_> = incoming.iter().map(|one| one.status.name().to_owned()).collect();
    sqlx::query_as!(
        Known,
        r#"select q.id as "question: QuestionId", r.status as "status?: ResponseStatus",
               coalesce(r.content = i.content and r.status = i.status, false) as "same!"
           from unnest($3::uuid[], $4::text[], $5::text[], $6::text[]) with ordinality
               as i (question_id, text, content, status, place)
           cross join lateral (select coalesce(
               (select id from questions q where q.id = i.question_id and (q.owner_id is null or q.owner_id = $1)),
               (select id from questions q where q.owner_id is null and q.key = question_key(i.text)),
               (select id from questions q where q.owner_id = $1 and q.key = question_key(i.text))) as id offset 0) q
           left join responses r on r.persona_id = $2 and r.question_id = q.id and r.deleted_at is null
           order by i.place"#,
        owner.as_uuid(),
        persona.as_uuid(),
        &ids as &[Option<uuid::Uuid>],
        &texts as &[Option<String>],
        &contents,
        &statuses,
    )
    .fetch_all(db)
    .await
}
