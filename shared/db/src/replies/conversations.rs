//! Conversations. Every function is scoped to the user.
//!
//! The time of the last message is not stored: it is looked up in the index of messages. So a message writes nothing
//! here, and a list can be read as of the moment of its first page (`docs/PERFORMANCE.md`).

use std::{collections::BTreeMap, fmt, str::FromStr};

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor, Result, types::Json};
use troupe_core::{
    ids::{ConversationId, UserId},
    model::{Change, Conversation, Folder, PersonaName},
};

use crate::Page;

/// The cursor of a list. All pages are as of the same moment: a conversation that moves up meanwhile is neither skipped
/// nor listed twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    pub as_of: DateTime<Utc>,
    pub last_message_at: DateTime<Utc>,
    pub id: ConversationId,
}

/// An invalid cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no position in a list of conversations")]
pub struct NoPosition;

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { as_of, last_message_at, id } = self;
        write!(f, "{}.{}.{id}", as_of.timestamp_micros(), last_message_at.timestamp_micros())
    }
}

impl FromStr for Position {
    type Err = NoPosition;

    fn from_str(text: &str) -> std::result::Result<Self, NoPosition> {
        let mut parts = text.splitn(3, '.');
        let mut part = || parts.next().ok_or(NoPosition);
        let (as_of, last_message_at, id) = (part()?, part()?, part()?);
        Ok(Self {
            as_of: time(as_of)?,
            last_message_at: time(last_message_at)?,
            id: id.parse().map_err(|_| NoPosition)?,
        })
    }
}

/// Only timestamps that PostgreSQL supports.
fn time(micros: &str) -> std::result::Result<DateTime<Utc>, NoPosition> {
    let micros = micros.parse().ok().filter(|micros| (0..=MAX_MICROS).contains(micros)).ok_or(NoPosition)?;
    DateTime::from_timestamp_micros(micros).ok_or(NoPosition)
}

/// The end of the year 9999.
const MAX_MICROS: i64 = 253_402_300_799_999_999;

/// A page of the list, and the moment that it is as of.
#[derive(Debug, Clone)]
pub struct Listing {
    pub as_of: DateTime<Utc>,
    pub items: Vec<Conversation>,
}

struct Row {
    id: ConversationId,
    slug: String,
    name: String,
    avatar_url: Option<String>,
    title: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    last_message_at: Option<DateTime<Utc>>,
    branch: i32,
    pinned_at: Option<DateTime<Utc>>,
    archived_at: Option<DateTime<Utc>>,
    folder: Option<String>,
    temporary: bool,
    forked_from: Option<ConversationId>,
    language: Option<String>,
}

impl From<Row> for Conversation {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            persona: PersonaName { slug: row.slug, name: row.name, avatar_url: row.avatar_url },
            title: row.title,
            created_at: row.created_at,
            updated_at: row.last_message_at.map_or(row.updated_at, |last| last.max(row.updated_at)),
            last_message_at: row.last_message_at,
            branch: row.branch,
            pinned_at: row.pinned_at,
            archived_at: row.archived_at,
            folder: row.folder,
            temporary: row.temporary,
            forked_from: row.forked_from,
            language: row.language,
        }
    }
}

/// A new conversation.
#[derive(Debug, Clone, Copy)]
pub struct NewConversation<'a> {
    pub id: ConversationId,
    pub user: UserId,
    pub persona: &'a str,
    pub title: Option<&'a str>,
    pub temporary: bool,
    pub language: Option<&'a str>,
}

/// Creates a conversation; `None` where there is no such persona that the user may talk with.
pub async fn create(db: &mut PgConnection, new: NewConversation<'_>) -> Result<Option<Conversation>> {
    sqlx::query!(
        "insert into conversations (id, user_id, persona_id, title, temporary, language)
         select $1, $2, id, $4, $5, $6 from personas
         where slug = $3 and (owner_id = $2 or visibility in ('public', 'link')) and hidden_at is null",
        new.id.as_uuid(),
        new.user.as_uuid(),
        new.persona,
        new.title,
        new.temporary,
        new.language,
    )
    .execute(&mut *db)
    .await?;
    find(db, new.user, new.id).await
}

/// Which conversations are listed.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub archived: bool,
    pub pinned: Option<bool>,
    pub folder: Option<String>,
}

/// By the last message, newest first. Temporary ones are in no list.
pub async fn list(db: impl PgExecutor<'_>, user: UserId, filter: &Filter, page: Page<Position>) -> Result<Listing> {
    let rows = sqlx::query!(
        r#"select l.id as "id: ConversationId", p.slug, p.name, avatar_url(p.slug, p.avatar) as avatar_url, l.title,
               l.created_at, l.updated_at,
               l.last_message_at as "last_message_at?", l.branch, l.pinned_at, l.archived_at, l.folder, l.temporary,
               l.forked_from as "forked_from: ConversationId", l.language, l.as_of as "as_of!"
           from (
               select c.*, m.created_at as last_message_at, w.as_of
               from (select coalesce($2::timestamptz, now()) as as_of) w
               cross join conversations c
               left join lateral (
                   select created_at from messages where conversation_id = c.id and created_at <= w.as_of
                   order by position desc limit 1) m on true
               where c.user_id = $1 and c.created_at <= w.as_of and not c.temporary
                 and (c.archived_at is not null) = $6 and ($7::boolean is null or (c.pinned_at is not null) = $7)
                 and ($8::text is null or c.folder = $8)
                 and ($3::timestamptz is null or (coalesce(m.created_at, c.created_at), c.id) < ($3, $4))
               order by coalesce(m.created_at, c.created_at) desc, c.id desc limit $5) l
           join personas p on p.id = l.persona_id
           order by coalesce(l.last_message_at, l.created_at) desc, l.id desc"#,
        user.as_uuid(),
        page.after.map(|after| after.as_of),
        page.after.map(|after| after.last_message_at),
        page.after.map(|after| after.id.as_uuid()),
        page.limit,
        filter.archived,
        filter.pinned,
        filter.folder,
    )
    .fetch_all(db)
    .await?;
    // An empty list has no further pages.
    let as_of = rows.first().map_or(DateTime::UNIX_EPOCH, |row| row.as_of);
    let items = rows.into_iter().map(|row| {
        let row = Row {
            id: row.id,
            slug: row.slug,
            name: row.name,
            avatar_url: row.avatar_url,
            title: row.title,
            created_at: row.created_at,
            updated_at: row.updated_at,
            last_message_at: row.last_message_at,
            branch: row.branch,
            pinned_at: row.pinned_at,
            archived_at: row.archived_at,
            folder: row.folder,
            temporary: row.temporary,
            forked_from: row.forked_from,
            language: row.language,
        };
        row.into()
    });
    Ok(Listing { as_of, items: items.collect() })
}

impl Listing {
    /// The cursor after this conversation.
    pub fn after(&self, conversation: &Conversation) -> Position {
        let last_message_at = conversation.last_message_at.unwrap_or(conversation.created_at);
        Position { as_of: self.as_of, last_message_at, id: conversation.id }
    }
}

pub async fn find(db: impl PgExecutor<'_>, user: UserId, id: ConversationId) -> Result<Option<Conversation>> {
    let row = sqlx::query_as!(
        Row,
        r#"select c.id as "id: ConversationId", p.slug, p.name, avatar_url(p.slug, p.avatar) as avatar_url, c.title,
               c.created_at, c.updated_at,
               (select created_at from messages where conversation_id = c.id order by position desc limit 1) as last_message_at,
               c.branch, c.pinned_at, c.archived_at, c.folder, c.temporary, c.forked_from as "forked_from: ConversationId",
               c.language
           from conversations c join personas p on p.id = c.persona_id where c.user_id = $1 and c.id = $2"#,
        user.as_uuid(),
        id.as_uuid(),
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(Into::into))
}

/// What an owner changes of a conversation; `None` is unchanged.
#[derive(Debug, Clone, Default)]
pub struct ConversationChange<'a> {
    pub title: Option<&'a str>,
    pub pinned: Option<bool>,
    pub archived: Option<bool>,
    pub folder: Change<&'a str>,
    pub language: Change<&'a str>,
}

/// The conversation as it is then.
pub async fn change(
    db: &mut PgConnection,
    user: UserId,
    id: ConversationId,
    change: ConversationChange<'_>,
) -> Result<Option<Conversation>> {
    sqlx::query!(
        "update conversations set title = coalesce($3, title), updated_at = case when $3::text is null then updated_at else now() end,
             pinned_at = case $4::boolean when true then coalesce(pinned_at, now()) when false then null else pinned_at end,
             archived_at = case $5::boolean when true then coalesce(archived_at, now()) when false then null else archived_at end,
             folder = case when $6 then $7 else folder end, language = case when $8 then $9 else language end
         where user_id = $1 and id = $2",
        user.as_uuid(),
        id.as_uuid(),
        change.title,
        change.pinned,
        change.archived,
        change.folder != Change::Keep,
        change.folder.value(),
        change.language != Change::Keep,
        change.language.value(),
    )
    .execute(&mut *db)
    .await?;
    find(db, user, id).await
}

/// What a program has noted with the conversation; `None` where the user has no such conversation.
pub async fn metadata(
    db: impl PgExecutor<'_>,
    user: UserId,
    id: ConversationId,
) -> Result<Option<BTreeMap<String, String>>> {
    let found = sqlx::query_scalar!(
        r#"select coalesce(metadata, '{}') as "metadata!: Json<BTreeMap<String, String>>"
           from conversations where user_id = $1 and id = $2"#,
        user.as_uuid(),
        id.as_uuid(),
    )
    .fetch_optional(db)
    .await?;
    Ok(found.map(|Json(metadata)| metadata))
}

/// Whether there was such a conversation.
pub async fn set_metadata(
    db: impl PgExecutor<'_>,
    user: UserId,
    id: ConversationId,
    metadata: &BTreeMap<String, String>,
) -> Result<bool> {
    let done = sqlx::query!(
        "update conversations set metadata = $3 where user_id = $1 and id = $2",
        user.as_uuid(),
        id.as_uuid(),
        Json(metadata) as _,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// The user's folders, by name, each with how many conversations are in it.
pub async fn folders(db: impl PgExecutor<'_>, user: UserId) -> Result<Vec<Folder>> {
    sqlx::query_as!(
        Folder,
        r#"select folder as "name!", count(*) as "conversations!" from conversations
           where user_id = $1 and folder is not null and archived_at is null and not temporary group by folder order by folder"#,
        user.as_uuid(),
    )
    .fetch_all(db)
    .await
}

/// Deletes the conversation with its messages and requests; whether there was one.
pub async fn delete(db: impl PgExecutor<'_>, user: UserId, id: ConversationId) -> Result<bool> {
    let done = sqlx::query!("delete from conversations where user_id = $1 and id = $2", user.as_uuid(), id.as_uuid())
        .execute(db)
        .await?;
    Ok(done.rows_affected() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_is_written() {
        let time = |micros| DateTime::from_timestamp_micros(micros).unwrap();
        let position = Position {
            as_of: time(1_796_000_000_123_456),
            last_message_at: time(1_795_000_000_000_001),
            id: ConversationId::new(),
        };
        assert_eq!(position.to_string().parse(), Ok(position));
        let id = ConversationId::new();
        let wrong = [String::new(), id.to_string(), format!("1.{id}"), format!("1.x.{id}"), "1.2.3".to_owned()];
        let far = [format!("1.-1.{id}"), format!("{}.1.{id}", i64::MAX)];
        for text in wrong.iter().chain(&far) {
            assert_eq!(text.parse::<Position>(), Err(NoPosition), "{text}");
        }
    }
}
