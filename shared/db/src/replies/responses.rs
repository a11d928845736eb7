//! Responses: requests that came over `/v1/responses`, with what they were asked for with.

use sqlx::{PgPool, Result, types::Json};
use troupe_core::{
    ids::{MessageId, RequestId, UserId},
    model::{
        Request, Role,
        caller_options::{CallerOptions, CallerTurn},
    },
};

use super::requests;

/// A response, and where it stands in its conversation.
#[derive(Debug, Clone)]
pub struct Response {
    pub request: Request,
    pub options: CallerOptions,
    /// The persona's slug.
    pub model: String,
    /// Of the persona.
    pub temperature: f32,
    pub question_id: MessageId,
    pub question: String,
    /// Whether its conversation is deleted after a day.
    pub temporary: bool,
    /// Whether it is the only turn of its conversation.
    pub alone: bool,
    /// The turn after it, on its branch.
    pub next: Option<RequestId>,
}

/// `None` where the user has no such response, or has deleted it.
pub async fn find(db: &PgPool, user: UserId, id: RequestId) -> Result<Option<Response>> {
    let row = sqlx::query!(
        r#"select r.caller_options as "options!: Json<CallerOptions>", c.temporary, p.slug, p.temperature,
               q.id as "question_id: MessageId", q.content as question,
               not exists (select from requests o where o.conversation_id = r.conversation_id and o.id <> r.id) as "alone!",
               (select n.id from requests n
                where n.conversation_id = r.conversation_id and n.branch = r.branch and n.position > r.position
                order by n.position limit 1) as "next: RequestId"
           from requests r
           join conversations c on c.id = r.conversation_id
           join personas p on p.id = c.persona_id
           join messages q on q.id = coalesce((select id from messages where request_id = r.id and role = 'user'), r.question_id)
           where r.id = $1 and r.user_id = $2 and r.caller_options ? 'response'"#,
        id.as_uuid(),
        user.as_uuid(),
    )
    .fetch_optional(db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let Some(request) = requests::find(db, user, id).await? else { return Ok(None) };
    Ok(Some(Response {
        request,
        options: row.options.0,
        model: row.slug,
        temperature: row.temperature,
        question_id: row.question_id,
        question: row.question,
        temporary: row.temporary,
        alone: row.alone,
        next: row.next,
    }))
}

/// The newest turns on the path to a request, and through it, in the order of being said.
pub async fn turns_until(db: &PgPool, user: UserId, id: RequestId, limit: i64) -> Result<Vec<CallerTurn>> {
    let mut turns = sqlx::query_as!(
        CallerTurn,
        r#"select m.role as "role: Role", m.content
           from requests t
           left join branches b on b.conversation_id = t.conversation_id and b.number = t.branch
           join messages m on m.conversation_id = t.conversation_id and m.turn <= t.position
           where t.id = $1 and t.user_id = $2
             and (m.branch = t.branch or exists (select from unnest(b.ancestors, b.below) a (number, below)
                                                 where a.number = m.branch and m.turn < a.below))
           order by m.turn desc, m.position desc limit $3"#,
        id.as_uuid(),
        user.as_uuid(),
        limit,
    )
    .fetch_all(db)
    .await?;
    turns.reverse();
    Ok(turns)
}

/// Keeps the number of the last event, the first time that it is told.
pub async fn keep_last_number(db: &PgPool, user: UserId, id: RequestId, number: u32) -> Result<()> {
    sqlx::query!(
        "update requests set caller_options = jsonb_set(caller_options, '{response,last_sequence_number}', to_jsonb($3::bigint))
         where id = $1 and user_id = $2 and caller_options ? 'response'
           and not (caller_options -> 'response' ? 'last_sequence_number')",
        id.as_uuid(),
        user.as_uuid(),
        i64::from(number),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The request is no response any more: its turn stays in its conversation.
pub async fn forget(db: &PgPool, user: UserId, id: RequestId) -> Result<()> {
    sqlx::query!(
        "update requests set caller_options = caller_options - 'response' where id = $1 and user_id = $2",
        id.as_uuid(),
        user.as_uuid(),
    )
    .execute(db)
    .await?;
    Ok(())
}
