//! Exported data of a user, in pages: each row as the JSON of the file, and its cursor.
//!
//! PostgreSQL makes the JSON, so that no column is forgotten by a type in between.

use sqlx::{PgExecutor, Result};
use troupe_core::ids::{ConversationId, DocumentId, PersonaId, ResponseId, UserId};
use uuid::Uuid;

/// A row of a page: its cursor, and its JSON.
#[derive(Debug, Clone)]
pub struct Item<Id> {
    pub id: Id,
    pub json: String,
}

/// The account, with its budget.
pub async fn account(db: impl PgExecutor<'_>, user: UserId) -> Result<Option<String>> {
    sqlx::query_scalar!(
        r#"select json_build_object('id', id, 'email', email, 'name', name, 'role', role, 'tier', tier, 'created_at', created_at,
               'email_verified_at', email_verified_at,
               'daily_limit', (select daily_limit from budgets where scope = 'user' and subject = ($1::uuid)::text),
               'spent', (select json_agg(json_build_object('day', day, 'spent', spent) order by day)
                         from spending where scope = 'user' and subject = ($1::uuid)::text),
               'sign_ins', (select json_agg(json_build_object('created_at', s.created_at, 'last_used_at', s.last_used_at,
                                'agent', s.agent, 'address', host(s.address)) order by s.id)
                            from sign_ins s where s.user_id = $1))::text as "json!"
           from users where id = $1"#,
        user.as_uuid(),
    )
    .fetch_optional(db)
    .await
}

/// Personas, each with its slug.
pub async fn personas(
    db: impl PgExecutor<'_>,
    user: UserId,
    after: Option<PersonaId>,
    max_rows: i64,
) -> Result<Vec<Item<(PersonaId, String)>>> {
    let rows = sqlx::query!(
        r#"select id as "id: PersonaId", slug, json_build_object('id', id, 'slug', slug, 'name', name, 'description', description,
               'system_prompt', system_prompt, 'temperature', temperature, 'model', model, 'chain', chain, 'when_cut', when_cut,
               'over_budget', over_budget, 'cache_replies', cache_replies, 'remembers', remembers, 'languages', languages,
               'visibility', visibility, 'greetings', greetings, 'example_dialogue', example_dialogue, 'post_history', post_history,
               'creator_notes', creator_notes, 'tags', tags, 'nickname', nickname, 'voice', voice,
               'lorebook', (select b.book::json from persona_lorebooks b where b.persona_id = id),
               'created_at', created_at, 'updated_at', updated_at)::text as "json!"
           from personas where owner_id = $1 and id > $2 order by id limit $3"#,
        user.as_uuid(),
        after.map_or(Uuid::nil(), PersonaId::as_uuid),
        max_rows,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| Item { id: (row.id, row.slug), json: row.json }).collect())
}

/// Answers of a persona, including deleted ones that could be restored.
pub async fn answers(
    db: impl PgExecutor<'_>,
    persona: PersonaId,
    after: Option<ResponseId>,
    max_rows: i64,
) -> Result<Vec<Item<ResponseId>>> {
    sqlx::query_as!(
        Item,
        r#"select r.id as "id: ResponseId", json_build_object('id', r.id, 'category', q.category, 'question', q.text,
               'content', r.content, 'status', r.status, 'version', r.version, 'created_at', r.created_at,
               'written_at', r.written_at, 'deleted_at', r.deleted_at)::text as "json!"
           from responses r join questions q on q.id = r.question_id
           where r.persona_id = $1 and r.id > $2 order by r.id limit $3"#,
        persona.as_uuid(),
        after.map_or(Uuid::nil(), ResponseId::as_uuid),
        max_rows,
    )
    .fetch_all(db)
    .await
}

/// Earlier versions of an answer.
pub async fn versions(
    db: impl PgExecutor<'_>,
    answer: ResponseId,
    after: Option<i32>,
    max_rows: i64,
) -> Result<Vec<Item<i32>>> {
    sqlx::query_as!(
        Item,
        r#"select version as id, json_build_object('version', version, 'content', content, 'status', status,
               'written_at', written_at)::text as "json!"
           from response_versions where response_id = $1 and version > $2 order by version limit $3"#,
        answer.as_uuid(),
        after.unwrap_or_default(),
        max_rows,
    )
    .fetch_all(db)
    .await
}

/// The user's own questions, answered or not.
pub async fn questions(
    db: impl PgExecutor<'_>,
    user: UserId,
    after: Option<i64>,
    max_rows: i64,
) -> Result<Vec<Item<i64>>> {
    sqlx::query_as!(
        Item,
        r#"select position as id, json_build_object('category', category, 'text', text, 'created_at', created_at)::text as "json!"
           from questions where owner_id = $1 and position > $2 order by position limit $3"#,
        user.as_uuid(),
        after.unwrap_or_default(),
        max_rows,
    )
    .fetch_all(db)
    .await
}

/// Documents of a persona, without their contents.
pub async fn documents(
    db: impl PgExecutor<'_>,
    persona: PersonaId,
    after: Option<DocumentId>,
    max_rows: i64,
) -> Result<Vec<Item<DocumentId>>> {
    sqlx::query_as!(
        Item,
        r#"select id as "id: DocumentId", json_build_object('id', id, 'title', title, 'media_type', media_type, 'size', size,
               'sha256', encode(digest, 'hex'), 'status', status, 'reason', reason, 'created_at', created_at)::text as "json!"
           from documents where persona_id = $1 and id > $2 order by id limit $3"#,
        persona.as_uuid(),
        after.map_or(Uuid::nil(), DocumentId::as_uuid),
        max_rows,
    )
    .fetch_all(db)
    .await
}

/// The content of a document: the upload until its text is extracted, and then the text.
#[derive(Debug, Clone)]
pub struct Contents {
    pub media_type: String,
    pub original: Option<Vec<u8>>,
    pub text: Option<String>,
}

pub async fn contents(db: impl PgExecutor<'_>, id: DocumentId) -> Result<Option<Contents>> {
    sqlx::query_as!(
        Contents,
        "select media_type, original, case when original is null then content end as text from documents where id = $1",
        id.as_uuid(),
    )
    .fetch_optional(db)
    .await
}

pub async fn conversations(
    db: impl PgExecutor<'_>,
    user: UserId,
    after: Option<ConversationId>,
    max_rows: i64,
) -> Result<Vec<Item<ConversationId>>> {
    sqlx::query_as!(
        Item,
        r#"select c.id as "id: ConversationId", json_build_object('id', c.id,
               'persona', json_build_object('slug', p.slug, 'name', p.name), 'title', c.title, 'created_at', c.created_at,
               'updated_at', c.updated_at)::text as "json!"
           from conversations c join personas p on p.id = c.persona_id
           where c.user_id = $1 and c.id > $2 order by c.id limit $3"#,
        user.as_uuid(),
        after.map_or(Uuid::nil(), ConversationId::as_uuid),
        max_rows,
    )
    .fetch_all(db)
    .await
}

/// Messages of a conversation; questions with the receipt and the rating of their reply.
pub async fn messages(
    db: impl PgExecutor<'_>,
    conversation: ConversationId,
    after: Option<i64>,
    max_rows: i64,
) -> Result<Vec<Item<i64>>> {
    sqlx::query_as!(
        Item,
        r#"select m.position as id, json_build_object('id', m.id, 'role', m.role, 'content', m.content, 'created_at', m.created_at,
               'request_id', m.request_id, 'request', case when m.role = 'user' then json_build_object('status', r.status,
                   'attempts', r.attempt, 'tier', r.tier, 'provider', r.provider, 'model', r.model, 'usage', r.usage,
                   'incomplete', r.incomplete, 'error', r.error, 'drew_on', r.retrieval, 'correlation_id', r.correlation_id,
                   'created_at', r.created_at, 'finished_at', r.finished_at) end,
               'feedback', case when m.role = 'user' and f.request_id is not null then json_build_object('rating', f.rating,
                   'note', f.note, 'share', f.share, 'rated_at', f.rated_at) end)::text as "json!"
           from messages m join requests r on r.id = m.request_id left join feedback f on f.request_id = m.request_id
           where m.conversation_id = $1 and m.position > $2 order by m.position limit $3"#,
        conversation.as_uuid(),
        after.unwrap_or_default(),
        max_rows,
    )
    .fetch_all(db)
    .await
}

/// Memories of the user, by persona and time.
pub async fn memories(
    db: impl PgExecutor<'_>,
    user: UserId,
    after: Option<(Uuid, Uuid)>,
    max_rows: i64,
) -> Result<Vec<Item<(Uuid, Uuid)>>> {
    let (persona, memory) = after.unwrap_or_default();
    let rows = sqlx::query!(
        r#"select m.persona_id, m.id, json_build_object('persona', p.slug, 'fact', m.fact, 'created_at', m.created_at)::text as "json!"
           from memories m join personas p on p.id = m.persona_id
           where m.user_id = $1 and (m.persona_id, m.id) > ($2, $3) order by m.persona_id, m.id limit $4"#,
        user.as_uuid(),
        persona,
        memory,
        max_rows,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| Item { id: (row.persona_id, row.id), json: row.json }).collect())
}

/// Audit entries of the user: as actor, as object, or as owner of the object.
pub async fn audit(db: impl PgExecutor<'_>, user: UserId, after: Option<i64>, max_rows: i64) -> Result<Vec<Item<i64>>> {
    sqlx::query_as!(
        Item,
        r#"with me as (select id from audit_subjects where user_id = $1), mine as (
               (select e.position from audit_entries e, me where e.actor_subject = me.id and e.position > $2
                order by e.position limit $3)
               union
               (select e.position from audit_entries e, me where e.target_subject = me.id and e.position > $2
                order by e.position limit $3)
           )
           select e.position as id, json_build_object('position', e.position, 'at', e.at, 'actor', e.actor_kind,
               'by_you', e.actor_subject is not distinct from (select id from me), 'verb', e.verb, 'target', e.target_kind,
               'target_id', e.target_id, 'address', case when e.actor_subject = (select id from me) then o.details->'address' end,
               'change', c.details, 'correlation_id', e.correlation_id)::text as "json!"
           from audit_entries e
           left join audit_details o on o.position = e.position and o.part = 'origin'
           left join audit_details c on c.position = e.position and c.part = 'change'
           where e.position in (select position from mine order by position limit $3) order by e.position"#,
        user.as_uuid(),
        after.unwrap_or_default(),
        max_rows,
    )
    .fetch_all(db)
    .await
}
