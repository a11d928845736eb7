//! Searching one's own messages, and the index of their words.
//!
//! The index is filled behind the replies. What is not in it yet is looked through in the conversations of the user, so
//! a message is found as soon as it is stored.

use chrono::{DateTime, Utc};
use sqlx::{PgExecutor, Result};
use troupe_core::{
    ids::{ConversationId, MessageId, RequestId, UserId},
    model::Role,
};
use uuid::Uuid;

/// How far the order of ids may differ from that of coming.
const DISORDER: i64 = 20_000;

/// The marks around what was found, from Unicode's private use: taken out of the text before.
pub const HIT: (char, char) = ('\u{e000}', '\u{e001}');

/// A message that was found.
#[derive(Debug, Clone)]
pub struct Found {
    pub message_id: MessageId,
    pub request_id: RequestId,
    pub conversation_id: ConversationId,
    pub title: Option<String>,
    pub persona_slug: String,
    pub persona_name: String,
    pub persona_avatar_url: Option<String>,
    pub role: Role,
    pub branch: i32,
    pub created_at: DateTime<Utc>,
    /// The places where it was found, between marks.
    pub excerpt: String,
}

/// The user's messages with all of these words, the newest first, but for temporary conversations. The last word may be
/// a beginning.
pub async fn search(
    db: impl PgExecutor<'_>,
    user: UserId,
    query: &str,
    after: Option<MessageId>,
    limit: i64,
) -> Result<Vec<Found>> {
    sqlx::query_as!(
        Found,
        r#"with wanted as (
               select to_tsquery('simple', $2) as words, (select position from messages where id = $3) as below,
                   u.message_id as until, u.position - $7 as from_position from message_words_until u
           ), found as (
               select w.message_id, w.position from message_words w, wanted q
               where w.words @@ (('''user:' || $1::uuid || '''')::tsquery && q.words)
                 and (q.below is null or w.position < q.below)
               union
               select m.id, m.position from wanted q
               cross join conversations c
               join messages m on m.conversation_id = c.id and m.position > q.from_position
               where c.user_id = $1 and not c.temporary and m.id > q.until and (q.below is null or m.position < q.below)
                 and to_tsvector('simple', m.content) @@ q.words
           ), newest as (
               select m.* from found f join messages m on m.id = f.message_id order by m.position desc limit $4
           )
           select m.id as "message_id: MessageId", m.request_id as "request_id: RequestId", c.id as "conversation_id: ConversationId",
               c.title, p.slug as persona_slug, p.name as persona_name, avatar_url(p.slug, p.avatar) as persona_avatar_url,
               m.role as "role: Role", m.branch, m.created_at,
               ts_headline('simple', translate(m.content, $5 || $6, ''), q.words, 'MaxFragments=2,MaxWords=24,MinWords=8,StartSel='
                   || $5 || ',StopSel=' || $6) as "excerpt!"
           from newest m
           join conversations c on c.id = m.conversation_id
           join personas p on p.id = c.persona_id
           cross join wanted q
           where c.user_id = $1
           order by m.position desc"#,
        user.as_uuid(),
        query,
        after.map(MessageId::as_uuid),
        limit,
        HIT.0.to_string(),
        HIT.1.to_string(),
        DISORDER,
    )
    .fetch_all(db)
    .await
}

/// Puts the next messages into the index, in the order of their ids, up to this time; returns how many. An id carries
/// the clock of the machine that made it, and is made before it is stored, so the newest wait a while.
pub async fn index(db: impl PgExecutor<'_>, until: DateTime<Utc>, max_rows: i64) -> Result<i64> {
    let before = Uuid::from_fields(
        u32::try_from(until.timestamp_millis() >> 16).unwrap_or_default(),
        (until.timestamp_millis() & 0xffff) as u16,
        0x7000,
        &[0x80, 0, 0, 0, 0, 0, 0, 0],
    );
    sqlx::query_scalar!(
        r#"with until as (
               select message_id from message_words_until for update
           ), next as (
               select m.id, m.position, m.conversation_id, m.content
               from messages m where m.id > (select message_id from until) and m.id < $1
               order by m.id limit $2
           ), indexed as (
               insert into message_words (message_id, position, words)
               select n.id, n.position, to_tsvector('simple', left(n.content, 100000)) || array_to_tsvector(array['user:' || c.user_id])
               from next n join conversations c on c.id = n.conversation_id where not c.temporary
               on conflict do nothing
           ), moved as (
               update message_words_until u set message_id = n.id, position = greatest(u.position, n.position)
               from (select id, position from next order by id desc limit 1) n
           )
           select count(*) as "count!" from next"#,
        before,
        max_rows,
    )
    .fetch_one(db)
    .await
}
