//! Users' ratings of replies. Off the hot path: no statement of a reply reads them.

use sqlx::{PgExecutor, Result};
use troupe_core::{
    ids::{PersonaId, RequestId, UserId},
    model::{
        RequestStatus,
        feedback::{Feedback, Rating, Ratings},
    },
};
use uuid::Uuid;

/// A rating.
#[derive(Debug, Clone, Copy)]
pub struct Rated<'a> {
    pub rating: Rating,
    pub note: Option<&'a str>,
    pub share: bool,
}

#[derive(Debug, Clone)]
pub enum Outcome {
    Kept(Feedback),
    /// There is no completed reply to be rated.
    NotCompleted(RequestStatus),
    /// The user has no such request.
    NoRequest,
}

/// Stores a rating, in place of an earlier one.
///
/// The request is locked meanwhile: a concurrent deletion of its conversation comes before or after.
pub async fn rate(db: impl PgExecutor<'_>, user: UserId, id: RequestId, rated: Rated<'_>) -> Result<Outcome> {
    let row = sqlx::query!(
        r#"with asked as (
               select r.id, r.status, c.persona_id from requests r join conversations c on c.id = r.conversation_id
               where r.id = $1 and r.user_id = $2 for key share of r
           ), rated as (
               insert into feedback (request_id, persona_id, rating, note, share)
               select id, persona_id, $3, $4, $5 from asked where status = 'completed'
               on conflict (request_id) do update set rating = excluded.rating, note = excluded.note, share = excluded.share,
                   rated_at = now()
               returning rated_at
           )
           select a.status as "status!: RequestStatus", r.rated_at as "rated_at?" from asked a left join rated r on true"#,
        id.as_uuid(),
        user.as_uuid(),
        rated.rating as Rating,
        rated.note,
        rated.share,
    )
    .fetch_optional(db)
    .await?;
    let Some(row) = row else { return Ok(Outcome::NoRequest) };
    let Some(rated_at) = row.rated_at else { return Ok(Outcome::NotCompleted(row.status)) };
    let Rated { rating, note, share } = rated;
    Ok(Outcome::Kept(Feedback { request_id: id, rating, note: note.map(str::to_owned), share, rated_at }))
}

/// The user's rating of a reply.
pub async fn find(db: impl PgExecutor<'_>, user: UserId, id: RequestId) -> Result<Option<Feedback>> {
    sqlx::query_as!(
        Feedback,
        r#"select f.request_id as "request_id: RequestId", f.rating as "rating: Rating", f.note, f.share, f.rated_at
           from feedback f join requests r on r.id = f.request_id where f.request_id = $1 and r.user_id = $2"#,
        id.as_uuid(),
        user.as_uuid(),
    )
    .fetch_optional(db)
    .await
}

/// Deletes a rating; whether there was one.
pub async fn remove(db: impl PgExecutor<'_>, user: UserId, id: RequestId) -> Result<bool> {
    let done = sqlx::query!(
        "delete from feedback f using requests r where f.request_id = $1 and r.id = f.request_id and r.user_id = $2",
        id.as_uuid(),
        user.as_uuid(),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// A question and a reply that was rated up.
#[derive(Debug, Clone)]
pub struct GoodReply {
    pub request_id: RequestId,
    pub question: String,
    pub reply: String,
}

/// A persona's complete replies that were rated up by its owner, or by users who share them with the owner; oldest
/// first.
pub async fn good_replies(
    db: impl PgExecutor<'_>,
    persona: PersonaId,
    owner: UserId,
    after: Option<RequestId>,
    limit: i64,
) -> Result<Vec<GoodReply>> {
    sqlx::query_as!(
        GoodReply,
        r#"select f.request_id as "request_id: RequestId", q.content as question, a.content as reply
           from feedback f
           join requests r on r.id = f.request_id
           join messages q on q.request_id = f.request_id and q.role = 'user'
           join messages a on a.request_id = f.request_id and a.role = 'assistant'
           where f.persona_id = $1 and f.rating = 'up' and f.request_id > $3 and (f.share or r.user_id = $2)
             and r.incomplete is null
           order by f.request_id limit $4"#,
        persona.as_uuid(),
        owner.as_uuid(),
        after.map_or(Uuid::nil(), RequestId::as_uuid),
        limit,
    )
    .fetch_all(db)
    .await
}

/// The counts of a persona's ratings.
pub async fn ratings(db: impl PgExecutor<'_>, persona: PersonaId) -> Result<Ratings> {
    sqlx::query_as!(
        Ratings,
        r#"select count(*) filter (where rating = 'up') as "up!", count(*) filter (where rating = 'down') as "down!"
           from feedback where persona_id = $1"#,
        persona.as_uuid(),
    )
    .fetch_one(db)
    .await
}
