//! Branches of conversations: a turn beside another one, and the path that is chosen (docs/adr/0022).

use std::collections::HashMap;

use sqlx::{PgConnection, PgExecutor, Result, types::Json};
use troupe_core::{
    ids::{ConversationId, RequestId, UserId},
    model::{Message, Role, Variant},
};

/// Branches of one conversation, at most.
pub const MAX_BRANCHES: i32 = 1_000;

/// A turn that another one is to stand beside.
#[derive(Debug, Clone, Copy)]
pub struct Beside {
    pub user: UserId,
    pub conversation: ConversationId,
    pub replaces: RequestId,
    /// The first request of the branch, which is stored in the same transaction.
    pub opened_by: RequestId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    Yes,
    /// The user has no such conversation, or it has no such turn.
    NoTurn,
    TooMany,
}

/// Opens a branch and chooses it; messages that are accepted in this transaction are on it.
///
/// A turn that opened a branch is replaced where it branched off, so all turns in one place have the same ancestors.
pub async fn open(db: &mut PgConnection, beside: Beside) -> Result<Opened> {
    let Beside { user, conversation, replaces, opened_by } = beside;
    // Serializes what changes the branches of the conversation; messages are accepted meanwhile.
    let locked = sqlx::query_scalar!(
        r#"select exists (select from requests where id = $3 and conversation_id = c.id) as "has_turn!"
           from conversations c where id = $1 and user_id = $2 for no key update"#,
        conversation.as_uuid(),
        user.as_uuid(),
        replaces.as_uuid(),
    )
    .fetch_optional(&mut *db)
    .await?;
    if locked != Some(true) {
        return Ok(Opened::NoTurn);
    }
    sqlx::query!(
        "insert into branches (conversation_id, number) values ($1, 0) on conflict do nothing",
        conversation.as_uuid(),
    )
    .execute(&mut *db)
    .await?;
    let number = sqlx::query_scalar!(
        r#"with turn as (
               select r.id, r.branch, r.position, own.ancestors, own.below
               from requests r join branches own on own.conversation_id = r.conversation_id and own.number = r.branch
               where r.id = $2
           ), place as (
               select b.replaces, b.ancestors, b.below from branches b where b.conversation_id = $1 and b.opened_by = $2
               union all
               select id, array_prepend(branch, ancestors), array_prepend(position, below) from turn
               limit 1
           ), opened as (
               insert into branches (conversation_id, number, replaces, opened_by, ancestors, below)
               select $1, next.number, p.replaces, $3, p.ancestors, p.below
               from place p, (select max(number) + 1 as number from branches where conversation_id = $1) next
               where next.number <= $4
               returning number
           )
           update conversations c set branch = o.number from opened o where c.id = $1 returning c.branch"#,
        conversation.as_uuid(),
        replaces.as_uuid(),
        opened_by.as_uuid(),
        MAX_BRANCHES,
    )
    .fetch_optional(&mut *db)
    .await?;
    Ok(if number.is_some() { Opened::Yes } else { Opened::TooMany })
}

/// Chooses the path through a turn: of the branches that have it, the one that was chosen last. `false` where the user
/// has no such turn in that conversation.
pub async fn choose(
    db: impl PgExecutor<'_>,
    user: UserId,
    conversation: ConversationId,
    through: RequestId,
) -> Result<bool> {
    let done = sqlx::query!(
        r#"with turn as (
               select r.branch, r.position from requests r join conversations c on c.id = r.conversation_id
               where r.id = $3 and c.id = $1 and c.user_id = $2
           ), chosen as (
               update branches set chosen_at = clock_timestamp()
               where conversation_id = $1 and number = (
                   select b.number from branches b, turn t
                   where b.conversation_id = $1
                     and (b.number = t.branch or exists (select from unnest(b.ancestors, b.below) a (number, below)
                                                         where a.number = t.branch and t.position < a.below))
                   order by b.chosen_at desc, b.number desc limit 1)
               returning number
           )
           update conversations c set branch = coalesce((select number from chosen), t.branch) from turn t where c.id = $1"#,
        conversation.as_uuid(),
        user.as_uuid(),
        through.as_uuid(),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Says of a request that was just accepted which question it repeats, and which reply it goes on from.
pub async fn mark_repeated(db: impl PgExecutor<'_>, request: RequestId, of: RequestId, continues: bool) -> Result<()> {
    sqlx::query!(
        "update requests r set repeats = coalesce(o.repeats, o.id), continues = case when $3 then o.id end
         from requests o where r.id = $1 and o.id = $2",
        request.as_uuid(),
        of.as_uuid(),
        continues,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Adds to questions the turns that stand in the same place.
pub(super) async fn fill_variants(
    db: impl PgExecutor<'_>,
    conversation: ConversationId,
    messages: &mut [Message],
) -> Result<()> {
    let questions: Vec<_> =
        messages.iter().filter(|message| message.role == Role::User).map(|question| question.request_id).collect();
    let rows = sqlx::query!(
        r#"with turn as (
               select q.id, coalesce(b.replaces, q.id) as place
               from unnest($2::uuid[]) as q (id)
               left join branches b on b.conversation_id = $1 and b.opened_by = q.id
           ), beside as (
               select t.id, o.opened_by as variant from turn t join branches o on o.conversation_id = $1 and o.replaces = t.place
           )
           select v.id as "id!: RequestId", jsonb_agg(jsonb_build_object('request_id', r.id, 'question_of', coalesce(r.repeats, r.id))
                      order by r.position) as "variants!: Json<Vec<Variant>>"
           from (select id, variant from beside
                 union
                 select t.id, t.place from turn t where exists (select from beside where id = t.id)) v
           join requests r on r.id = v.variant
           group by v.id having count(*) > 1"#,
        conversation.as_uuid(),
        &questions.iter().map(|id| id.as_uuid()).collect::<Vec<_>>(),
    )
    .fetch_all(db)
    .await?;
    let mut variants: HashMap<_, _> = rows.into_iter().map(|row| (row.id, row.variants.0)).collect();
    for question in messages.iter_mut().filter(|message| message.role == Role::User) {
        question.variants = variants.remove(&question.request_id).unwrap_or_default();
    }
    Ok(())
}
