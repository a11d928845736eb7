//! Receipts of lorebooks: which entries the prompt of a request had, and what the next turn must know of that.

use sqlx::{PgExecutor, Result, types::Json};
use troupe_characters::lorebook::{EntryReceipt, State};
use troupe_core::ids::{ConversationId, RequestId, UserId};

/// The path to a turn: its branch, up to it.
#[derive(Debug, Clone, Copy)]
pub struct Path {
    pub conversation: ConversationId,
    pub branch: i32,
    pub turn: i64,
}

/// What the last turn before this one has left, of those that ended with a reply.
pub async fn state_before(db: impl PgExecutor<'_>, path: Path) -> Result<State> {
    let state = sqlx::query_scalar!(
        r#"select l.state as "state: Json<State>"
           from lore_receipts l
           join requests r on r.id = l.request_id and r.status in ('completed', 'cancelled')
           where l.conversation_id = $1 and l.turn < $2
             and (l.branch = $3 or exists (select from branches b, unnest(b.ancestors, b.below) a (number, below)
                                           where b.conversation_id = $1 and b.number = $3 and a.number = l.branch
                                             and l.turn < a.below))
           order by l.turn desc limit 1"#,
        path.conversation.as_uuid(),
        path.turn,
        path.branch,
    )
    .fetch_optional(db)
    .await?;
    Ok(state.map(|Json(state)| state).unwrap_or_default())
}

/// How many messages there are on the path before the turn, and how many of them are replies.
pub async fn count_messages(db: impl PgExecutor<'_>, path: Path) -> Result<(i64, i64)> {
    let row = sqlx::query!(
        r#"select count(*) as "messages!", count(*) filter (where m.role = 'assistant') as "replies!"
           from messages m
           where m.conversation_id = $1 and m.turn < $2
             and (m.branch = $3 or exists (select from branches b, unnest(b.ancestors, b.below) a (number, below)
                                           where b.conversation_id = $1 and b.number = $3 and a.number = m.branch
                                             and m.turn < a.below))"#,
        path.conversation.as_uuid(),
        path.turn,
        path.branch,
    )
    .fetch_one(db)
    .await?;
    Ok((row.messages, row.replies))
}

/// Stores what the prompt of an attempt had; of an older attempt nothing.
pub async fn store(
    db: impl PgExecutor<'_>,
    request: RequestId,
    attempt: i32,
    path: Path,
    receipt: &[EntryReceipt],
    state: &State,
) -> Result<()> {
    sqlx::query!(
        "insert into lore_receipts (request_id, conversation_id, turn, branch, attempt, receipt, state)
         select $1, $2, $3, $4, $5, $6, $7 where exists (select from requests where id = $1)
         on conflict (request_id) do update set attempt = excluded.attempt, receipt = excluded.receipt, state = excluded.state
         where lore_receipts.attempt <= excluded.attempt",
        request.as_uuid(),
        path.conversation.as_uuid(),
        path.turn,
        path.branch,
        attempt,
        Json(receipt) as Json<&[EntryReceipt]>,
        Json(state) as Json<&State>,
    )
    .execute(db)
    .await?;
    Ok(())
}

#[derive(Debug, Clone)]
pub struct LoreReceipt {
    /// Whether the persona is the user's own.
    pub owned: bool,
    /// `None` where the persona has no lorebook, and until a worker has begun.
    pub entries: Option<Json<Vec<EntryReceipt>>>,
}

/// The receipt of a request of this user.
pub async fn receipt(db: impl PgExecutor<'_>, user: UserId, request: RequestId) -> Result<Option<LoreReceipt>> {
    sqlx::query_as!(
        LoreReceipt,
        r#"select p.owner_id is not distinct from $1 as "owned!", l.receipt as "entries?: Json<Vec<EntryReceipt>>"
           from requests r join conversations c on c.id = r.conversation_id join personas p on p.id = c.persona_id
           left join lore_receipts l on l.request_id = r.id
           where r.id = $2 and r.user_id = $1"#,
        user.as_uuid(),
        request.as_uuid(),
    )
    .fetch_optional(db)
    .await
}
