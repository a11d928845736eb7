//! Documents. For users by the persona's slug, and for its owner only; for workers by id.

use chrono::{DateTime, Utc};
use sqlx::{PgExecutor, Result, types::Json};
use troupe_core::{
    ids::{DocumentId, PersonaId, UserId},
    media_type::MediaType,
    model::knowledge::{Document, DocumentStatus, Mark},
};
use uuid::Uuid;

use crate::Page;

/// The owner, and the persona's slug.
#[derive(Debug, Clone, Copy)]
pub struct Shelf<'a> {
    pub owner: UserId,
    pub slug: &'a str,
}

/// A new document.
#[derive(Debug, Clone, Copy)]
pub struct NewDocument<'a> {
    pub id: DocumentId,
    pub title: Option<&'a str>,
    pub media_type: MediaType,
    pub digest: &'a [u8],
    pub original: &'a [u8],
}

struct Row {
    id: DocumentId,
    title: Option<String>,
    media_type: MediaType,
    size: i32,
    digest: String,
    status: DocumentStatus,
    reason: Option<String>,
    passages: i64,
    created_at: DateTime<Utc>,
}

impl From<Row> for Document {
    fn from(row: Row) -> Self {
        let Row { id, title, media_type, size, digest, status, reason, passages, created_at } = row;
        Self { id, title, media_type, size, sha256: digest, status, reason, passages, created_at }
    }
}

/// Adds a document for a worker to read; `None` where there is no such persona of this owner. The same content is the
/// same document: it is read again only if that failed, or if its media type has changed.
pub async fn add(db: impl PgExecutor<'_>, shelf: Shelf<'_>, new: &NewDocument<'_>) -> Result<Option<Document>> {
    let row = sqlx::query_as!(
        Row,
        r#"with persona as (
               select id from personas where owner_id = $1 and slug = $2 for key share
           ), added as (
               insert into documents as d (id, persona_id, title, media_type, size, digest, original)
               select $3, id, $4, $5, length($7::bytea), $6, $7 from persona
               on conflict (persona_id, digest) do update set
                   title = coalesce(excluded.title, d.title),
                   media_type = excluded.media_type,
                   status = case when d.status = 'failed' or d.media_type <> excluded.media_type then 'pending' else d.status end,
                   reason = null,
                   original = case when d.status = 'failed' or d.media_type <> excluded.media_type then excluded.original
                              else d.original end
               returning id, persona_id, title, media_type, size, digest, status, reason, created_at
           ), work as (
               insert into jobs (kind, key, payload)
               select 'index', 'document:' || id,
                   jsonb_build_object('source_kind', 'document', 'source_id', id, 'persona_id', persona_id)
               from added where status = 'pending'
               on conflict (kind, key) where finished_at is null and key is not null do update
                   set attempt = jobs.attempt + 1, failures = 0, lapses = 0, status = 'waiting', due_at = now(),
                       lease_until = null, payload = excluded.payload
           )
           select id as "id: DocumentId", title, media_type as "media_type: MediaType", size, encode(digest, 'hex') as "digest!",
               status as "status: DocumentStatus", reason, created_at,
               (select count(*) from passages p where p.source_kind = 'document' and p.source_id = a.id) as "passages!"
           from added a"#,
        shelf.owner.as_uuid(),
        shelf.slug,
        new.id.as_uuid(),
        new.title,
        new.media_type as MediaType,
        new.digest,
        new.original,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(Into::into))
}

/// The newest first.
pub async fn list(db: impl PgExecutor<'_>, shelf: Shelf<'_>, page: Page<DocumentId>) -> Result<Vec<Document>> {
    let rows = sqlx::query_as!(
        Row,
        r#"select id as "id: DocumentId", title, media_type as "media_type: MediaType", size, encode(digest, 'hex') as "digest!",
               status as "status: DocumentStatus", reason, created_at,
               (select count(*) from passages p where p.source_kind = 'document' and p.source_id = d.id) as "passages!"
           from documents d
           where persona_id = (select id from personas where owner_id = $1 and slug = $2) and id < $3
           order by id desc limit $4"#,
        shelf.owner.as_uuid(),
        shelf.slug,
        page.after.map_or(Uuid::max(), DocumentId::as_uuid),
        page.limit,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

pub async fn find(db: impl PgExecutor<'_>, shelf: Shelf<'_>, id: DocumentId) -> Result<Option<Document>> {
    let row = sqlx::query_as!(
        Row,
        r#"select id as "id: DocumentId", title, media_type as "media_type: MediaType", size, encode(digest, 'hex') as "digest!",
               status as "status: DocumentStatus", reason, created_at,
               (select count(*) from passages p where p.source_kind = 'document' and p.source_id = d.id) as "passages!"
           from documents d
           where id = $3 and persona_id = (select id from personas where owner_id = $1 and slug = $2)"#,
        shelf.owner.as_uuid(),
        shelf.slug,
        id.as_uuid(),
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(Into::into))
}

/// The extracted text of a document; `Some(None)` where it has none (yet).
pub async fn content(db: impl PgExecutor<'_>, shelf: Shelf<'_>, id: DocumentId) -> Result<Option<Option<String>>> {
    sqlx::query_scalar!(
        "select content from documents
         where id = $3 and persona_id = (select id from personas where owner_id = $1 and slug = $2)",
        shelf.owner.as_uuid(),
        shelf.slug,
        id.as_uuid(),
    )
    .fetch_optional(db)
    .await
}

/// Deletes a document with its passages; `false` where there is none.
pub async fn delete(db: impl PgExecutor<'_>, shelf: Shelf<'_>, id: DocumentId) -> Result<bool> {
    let done = sqlx::query!(
        "delete from documents
         where id = $3 and persona_id = (select id from personas where owner_id = $1 and slug = $2)",
        shelf.owner.as_uuid(),
        shelf.slug,
        id.as_uuid(),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// The input of a worker: the upload, or the extracted text.
#[derive(Debug, Clone)]
pub struct Stored {
    pub persona_id: PersonaId,
    pub media_type: MediaType,
    pub original: Option<Vec<u8>>,
    pub content: Option<String>,
    pub outline: Option<Json<Vec<Mark>>>,
}

pub async fn load(db: impl PgExecutor<'_>, id: DocumentId) -> Result<Option<Stored>> {
    sqlx::query_as!(
        Stored,
        r#"select persona_id as "persona_id: PersonaId", media_type as "media_type: MediaType", original,
               case when original is null then content end as content,
               case when original is null then outline end as "outline: Json<Vec<Mark>>"
           from documents where id = $1"#,
        id.as_uuid(),
    )
    .fetch_optional(db)
    .await
}

/// Replaces the upload by the extracted text.
pub async fn keep_text(
    db: impl PgExecutor<'_>,
    id: DocumentId,
    title: Option<&str>,
    content: &str,
    outline: &[Mark],
) -> Result<()> {
    sqlx::query!(
        "update documents set status = 'ready', reason = null, original = null, title = coalesce(title, $2), content = $3,
             outline = $4
         where id = $1",
        id.as_uuid(),
        title,
        content,
        Json(outline) as _,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Marks a document as failed. The upload is dropped; an earlier extracted text stays.
pub async fn fail(db: impl PgExecutor<'_>, id: DocumentId, reason: &str) -> Result<()> {
    sqlx::query!(
        "update documents set status = 'failed', reason = $2, original = null,
             content = case when original is null then content end, outline = case when original is null then outline end
         where id = $1",
        id.as_uuid(),
        reason,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Locks a document until the end of the transaction.
pub async fn hold(db: impl PgExecutor<'_>, id: DocumentId) -> Result<()> {
    sqlx::query!("select from documents where id = $1 for no key update", id.as_uuid()).execute(db).await?;
    Ok(())
}
