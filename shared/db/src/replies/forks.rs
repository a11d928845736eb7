//! Forks: a conversation that begins as a copy of another one's path.

use sqlx::{PgConnection, Result};
use troupe_core::ids::{ConversationId, MessageId, RequestId, UserId};
use uuid::Uuid;

/// What is copied, and up to which turn.
#[derive(Debug, Clone, Copy)]
pub struct Fork<'a> {
    pub id: ConversationId,
    pub user: UserId,
    pub of: ConversationId,
    pub until: RequestId,
    pub title: Option<&'a str>,
}

/// Copies the path to a turn, and through it, into a new conversation; `false` where the user has no such turn, or may
/// not talk with the persona any more.
///
/// What has not ended with a reply, or has failed, stays behind. A copy costs nothing and is nobody's dead letter.
pub async fn copy(db: &mut PgConnection, fork: Fork<'_>) -> Result<bool> {
    let Fork { id, user, of, until, title } = fork;
    let made = sqlx::query!(
        "insert into conversations (id, user_id, persona_id, title, folder, temporary, forked_from, language)
         select $1, c.user_id, c.persona_id, coalesce($5, c.title), c.folder, c.temporary, c.id, c.language
         from conversations c
         join requests r on r.id = $4 and r.conversation_id = c.id
         join personas p on p.id = c.persona_id
         where c.id = $3 and c.user_id = $2 and p.hidden_at is null
           and (p.owner_id = $2 or p.visibility in ('public', 'link'))",
        id.as_uuid(),
        user.as_uuid(),
        of.as_uuid(),
        until.as_uuid(),
        title,
    )
    .execute(&mut *db)
    .await?;
    if made.rows_affected() == 0 {
        return Ok(false);
    }
    let turns = sqlx::query_scalar!(
        r#"select r.id
           from requests t
           left join branches b on b.conversation_id = t.conversation_id and b.number = t.branch
           join requests r on r.conversation_id = t.conversation_id
           where t.id = $1 and r.position <= t.position and r.status in ('completed', 'cancelled')
             and (r.branch = t.branch or exists (select from unnest(b.ancestors, b.below) a (number, below)
                                                 where a.number = r.branch and r.position < a.below))
           order by r.position"#,
        until.as_uuid(),
    )
    .fetch_all(&mut *db)
    .await?;
    let ids = |id: fn() -> Uuid| turns.iter().map(|_| id()).collect::<Vec<_>>();
    sqlx::query!(
        r#"with turn as (
               select * from unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[]) with ordinality
                   as t (old, new, question, reply, place)
           ), request as (
               insert into requests (id, conversation_id, user_id, tier, status, attempt, started_at, finished_at, usage, provider,
                   model, incomplete, retrieval, correlation_id, created_at)
               select t.new, $1, r.user_id, r.tier, r.status, r.attempt, r.started_at, r.finished_at, r.usage, r.provider, r.model,
                   r.incomplete, r.retrieval, r.correlation_id, r.created_at
               from turn t join requests r on r.id = t.old order by t.place
               returning id, position
           )
           insert into messages (id, conversation_id, request_id, turn, role, content, created_at)
           select case m.role when 'user' then t.question else t.reply end, $1, t.new, q.position, m.role, m.content, m.created_at
           from turn t join request q on q.id = t.new join messages m on m.request_id = t.old
           order by t.place, m.role desc"#,
        id.as_uuid(),
        &turns,
        &ids(|| RequestId::new().as_uuid()),
        &ids(|| MessageId::new().as_uuid()),
        &ids(|| MessageId::new().as_uuid()),
    )
    .execute(db)
    .await?;
    Ok(true)
}
