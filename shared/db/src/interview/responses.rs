//! Answers of personas' owners. The caller has checked the ownership of the persona.
//!
//! Writers lock the persona ([`crate::personas::lock_own`]): one change of an interview at a time. A trigger keeps
//! every earlier version.

use chrono::{DateTime, Utc};
use sqlx::{PgExecutor, Result};
use troupe_core::{
    ids::{PersonaId, QuestionId, ResponseId},
    model::interview::{Asked, Response, ResponseStatus, ResponseVersion},
};
use uuid::Uuid;

use crate::Page;

struct Row {
    id: ResponseId,
    question_id: QuestionId,
    category: String,
    text: String,
    content: String,
    status: ResponseStatus,
    version: i32,
    words: i32,
    created_at: DateTime<Utc>,
    written_at: DateTime<Utc>,
    deleted_at: Option<DateTime<Utc>>,
}

impl From<Row> for Response {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            question: Asked { id: row.question_id, category: row.category, text: row.text },
            content: row.content,
            status: row.status,
            version: row.version,
            words: row.words,
            created_at: row.created_at,
            written_at: row.written_at,
            deleted_at: row.deleted_at,
        }
    }
}

/// A filter.
#[derive(Debug, Clone, Copy, Default)]
pub struct ResponseFilter<'a> {
    pub status: Option<ResponseStatus>,
    pub category: Option<&'a str>,
    /// Words of the answer or its question, without regard to case.
    pub containing: Option<&'a str>,
    /// Only deleted ones, instead of the others.
    pub deleted: bool,
}

/// The newest first.
pub async fn list(
    db: impl PgExecutor<'_>,
    persona: PersonaId,
    filter: ResponseFilter<'_>,
    page: Page<ResponseId>,
) -> Result<Vec<Response>> {
    let rows = sqlx::query_as!(
        Row,
        r#"select r.id as "id: ResponseId", r.question_id as "question_id: QuestionId", q.category, q.text, r.content,
               r.status as "status: ResponseStatus", r.version, r.words as "words!", r.created_at, r.written_at, r.deleted_at
           from responses r join questions q on q.id = r.question_id
           where r.persona_id = $1 and r.id < $2 and (r.deleted_at is not null) = $3
             and ($4::text is null or r.status = $4) and ($5::text is null or q.category = $5)
             and ($6::text is null or position(lower($6) in lower(r.content)) > 0 or position(lower($6) in lower(q.text)) > 0)
           order by r.id desc limit $7"#,
        persona.as_uuid(),
        page.after.map_or(Uuid::max(), ResponseId::as_uuid),
        filter.deleted,
        filter.status.map(ResponseStatus::name),
        filter.category,
        filter.containing,
        page.limit,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// All that are not deleted, in pages, in the order of their creation.
pub async fn in_order(
    db: impl PgExecutor<'_>,
    persona: PersonaId,
    after: Option<ResponseId>,
    limit: i64,
) -> Result<Vec<Response>> {
    let rows = sqlx::query_as!(
        Row,
        r#"select r.id as "id: ResponseId", r.question_id as "question_id: QuestionId", q.category, q.text, r.content,
               r.status as "status: ResponseStatus", r.version, r.words as "words!", r.created_at, r.written_at, r.deleted_at
           from responses r join questions q on q.id = r.question_id
           where r.persona_id = $1 and r.id > $2 and r.deleted_at is null order by r.id limit $3"#,
        persona.as_uuid(),
        after.map_or(Uuid::nil(), ResponseId::as_uuid),
        limit,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// The answer to a question, even if it is deleted.
pub async fn find(db: impl PgExecutor<'_>, persona: PersonaId, question: QuestionId) -> Result<Option<Response>> {
    let row = sqlx::query_as!(
        Row,
        r#"select r.id as "id: ResponseId", r.question_id as "question_id: QuestionId", q.category, q.text, r.content,
               r.status as "status: ResponseStatus", r.version, r.words as "words!", r.created_at, r.written_at, r.deleted_at
           from responses r join questions q on q.id = r.question_id where r.persona_id = $1 and r.question_id = $2"#,
        persona.as_uuid(),
        question.as_uuid(),
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(Into::into))
}

/// The earlier versions, the newest first.
pub async fn history(db: impl PgExecutor<'_>, id: ResponseId, limit: i64) -> Result<Vec<ResponseVersion>> {
    sqlx::query_as!(
        ResponseVersion,
        r#"select version, content, status as "status: ResponseStatus", written_at
           from response_versions where response_id = $1 order by version desc limit $2"#,
        id.as_uuid(),
        limit,
    )
    .fetch_all(db)
    .await
}

/// An answer to write.
#[derive(Debug, Clone, Copy)]
pub struct Written<'a> {
    /// Its id, if it is a new one.
    pub id: ResponseId,
    pub question: QuestionId,
    pub content: &'a str,
    pub status: ResponseStatus,
}

/// Writes answers to different questions: new ones, or the next version of existing ones, including deleted ones.
/// Returns their ids, and those of their questions.
pub async fn write(
    db: impl PgExecutor<'_>,
    persona: PersonaId,
    answers: &[Written<'_>],
) -> Result<Vec<(ResponseId, QuestionId)>> {
    let (ids, questions): (Vec<_>, Vec<_>) = answers.iter().map(|a| (a.id.as_uuid(), a.question.as_uuid())).unzip();
    let (contents, statuses): (Vec<_>, Vec<_>) =
        answers.iter().map(|a| (a.content.to_owned(), a.status.name().to_owned())).unzip();
    let rows = sqlx::query!(
        r#"insert into responses (id, persona_id, question_id, content, status)
           select id, $1, question_id, content, status
           from unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[]) as w (id, question_id, content, status)
           on conflict (persona_id, question_id) do update set content = excluded.content, status = excluded.status,
               version = responses.version + 1, written_at = now(), deleted_at = null
           returning id as "id: ResponseId", question_id as "question_id: QuestionId""#,
        persona.as_uuid(),
        &ids,
        &questions,
        &contents,
        &statuses,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.question_id)).collect())
}

/// Soft-deletes or restores an existing answer.
pub async fn set_deleted(db: impl PgExecutor<'_>, id: ResponseId, deleted: bool) -> Result<()> {
    sqlx::query!("update responses set deleted_at = case when $2 then now() end where id = $1", id.as_uuid(), deleted)
        .execute(db)
        .await?;
    Ok(())
}

/// A final answer with its question.
#[derive(Debug, Clone)]
pub struct AnsweredQuestion {
    pub question: String,
    pub content: String,
}

/// `None` where the answer is not final, or deleted.
pub async fn load_answered(db: impl PgExecutor<'_>, id: ResponseId) -> Result<Option<AnsweredQuestion>> {
    sqlx::query_as!(
        AnsweredQuestion,
        "select q.text as question, r.content from responses r join questions q on q.id = r.question_id
         where r.id = $1 and r.status = 'final' and r.deleted_at is null",
        id.as_uuid(),
    )
    .fetch_optional(db)
    .await
}

/// Locks an answer until the end of the transaction.
pub async fn hold(db: impl PgExecutor<'_>, id: ResponseId) -> Result<()> {
    sqlx::query!("select from responses where id = $1 for no key update", id.as_uuid()).execute(db).await?;
    Ok(())
}
