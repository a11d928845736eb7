//! Writes, deletes and restores the owner's answers, and queues their indexing in the same transaction.

use sqlx::{PgConnection, Postgres, Transaction};
use troupe_core::{
    ids::{PersonaId, QuestionId, ResponseId, UserId},
    model::{
        interview::{Response, ResponseStatus},
        knowledge::SourceKind,
    },
};
use troupe_db::{
    interview::{
        questions,
        responses::{self, Written},
    },
    knowledge::index_work,
    personas,
};

use super::Interview;
use crate::{http::error::ApiError, personas::own::NO_PERSONA};

pub(crate) const NO_QUESTION: ApiError = ApiError::NotFound("question");
pub(crate) const NO_RESPONSE: ApiError = ApiError::NotFound("response");

/// An answer to one question.
pub(crate) struct Answer<'a> {
    pub(crate) question: QuestionId,
    pub(crate) content: &'a str,
    pub(crate) status: ResponseStatus,
    /// The version that the caller expects (`If-Match`).
    pub(crate) expected_version: Option<i32>,
}

/// Locks the persona until the end of the transaction.
pub(crate) async fn lock(db: &mut PgConnection, owner: UserId, slug: &str) -> Result<PersonaId, ApiError> {
    personas::lock_own(db, owner, slug).await?.ok_or(NO_PERSONA)
}

/// Writes an answer; also returns whether it is the first one to its question. The same answer again changes nothing.
pub(crate) async fn answer(
    interview: &Interview,
    owner: UserId,
    slug: &str,
    answer: Answer<'_>,
) -> Result<(Response, bool), ApiError> {
    let mut transaction = interview.pool.begin().await?;
    let persona = lock(&mut transaction, owner, slug).await?;
    let before = responses::find(&mut *transaction, persona, answer.question).await?;
    if before.is_none() && !questions::may_answer(&mut *transaction, owner, answer.question).await? {
        return Err(NO_QUESTION);
    }
    let live = before.as_ref().filter(|before| before.deleted_at.is_none());
    check_version(answer.expected_version, live)?;
    if let Some(same) = live.filter(|live| live.content == answer.content && live.status == answer.status) {
        return Ok((same.clone(), false));
    }
    let Answer { question, content, status, .. } = answer;
    let written = Written { id: ResponseId::new(), question, content, status };
    responses::write(&mut *transaction, persona, &[written]).await?;
    let after = responses::find(&mut *transaction, persona, question).await?.ok_or(NO_RESPONSE)?;
    let first = before.is_none();
    finish(transaction, persona, before.as_ref(), &after).await?;
    Ok((after, first))
}

fn check_version(expected: Option<i32>, live: Option<&Response>) -> Result<(), ApiError> {
    let Some(expected) = expected else { return Ok(()) };
    match live {
        Some(live) if live.version == expected => Ok(()),
        Some(live) => Err(ApiError::outdated(format!("it is at version {} now", live.version))),
        None => Err(ApiError::outdated("there is no such response now")),
    }
}

/// Soft-deletes or restores an answer. Deleting a deleted one is an error, restoring a live one changes nothing.
pub(crate) async fn set_deleted(
    interview: &Interview,
    owner: UserId,
    slug: &str,
    question: QuestionId,
    deleted: bool,
) -> Result<Response, ApiError> {
    let mut transaction = interview.pool.begin().await?;
    let persona = lock(&mut transaction, owner, slug).await?;
    let before = responses::find(&mut *transaction, persona, question).await?.ok_or(NO_RESPONSE)?;
    if before.deleted_at.is_some() == deleted {
        return if deleted { Err(NO_RESPONSE) } else { Ok(before) };
    }
    responses::set_deleted(&mut *transaction, before.id, deleted).await?;
    let after = responses::find(&mut *transaction, persona, question).await?.ok_or(NO_RESPONSE)?;
    finish(transaction, persona, Some(&before), &after).await?;
    Ok(after)
}

/// Commits, and queues the indexing if the persona's knowledge changed.
async fn finish(
    mut transaction: Transaction<'_, Postgres>,
    persona: PersonaId,
    before: Option<&Response>,
    after: &Response,
) -> Result<(), ApiError> {
    if after.counts() || before.is_some_and(Response::counts) {
        index_work::mark(&mut *transaction, SourceKind::Response, after.id.as_uuid(), persona).await?;
    }
    Ok(transaction.commit().await?)
}
