//! Validates, deduplicates and stores documents.

use bytes::Bytes;
use ring::digest::{SHA256, digest};
use serde_json::json;
use sqlx::{PgConnection, PgPool};
use troupe_core::{
    adapters::outgoing::{Fetched, OutgoingError},
    ids::DocumentId,
    media_type::{MediaType, NoDocument, sniff},
    model::{
        audit::{By, On},
        knowledge::Document,
    },
};
use troupe_db::{
    knowledge::documents::{self, NewDocument, Shelf},
    personas,
};

use super::Knowledge;
use crate::{audit::note, http::error::ApiError};

/// A validated document.
pub(crate) struct Examined {
    bytes: Bytes,
    digest: Vec<u8>,
    media_type: MediaType,
}

/// Fetches a document by URL, for the owner of the persona only: others must not cause outgoing calls.
pub(crate) async fn fetch(
    knowledge: &Knowledge,
    shelf: Shelf<'_>,
    address: &str,
) -> Result<(Bytes, Option<MediaType>), ApiError> {
    if !personas::find(&knowledge.pool, shelf.owner, shelf.slug).await?.is_some_and(|persona| persona.owned) {
        return Err(ApiError::NotFound("persona of yours"));
    }
    let fetched = knowledge.outgoing.get(address, knowledge.config.server.max_document).await;
    let Fetched { bytes, content_type } = fetched.map_err(|fault| match fault {
        OutgoingError::Address(what) => ApiError::field("url", what),
        OutgoingError::Busy => ApiError::overloaded(),
        fault => ApiError::not_fetched(format!("the address {fault}")),
    })?;
    Ok((bytes.into(), content_type.and_then(|named| MediaType::named(&named))))
}

/// Sniffs and hashes a document, on a blocking thread: large ones take some hundredths of a second.
pub(crate) async fn examine(bytes: Bytes, declared: Option<MediaType>) -> Result<Examined, ApiError> {
    let examined = tokio::task::spawn_blocking(move || {
        let media_type = sniff(&bytes, declared)?;
        Ok(Examined { digest: digest(&SHA256, &bytes).as_ref().to_vec(), media_type, bytes })
    });
    examined.await.map_err(|fault| ApiError::Internal(fault.to_string()))?.map_err(|fault: NoDocument| match fault {
        NoDocument::Other(_) | NoDocument::Binary(_) => ApiError::unsupported_document(format!("the document {fault}")),
        NoDocument::NotUtf8(_) | NoDocument::Empty => ApiError::field("body", fault.to_string()),
    })
}

/// Stores a document for a worker to read, and audits it. Runs in the caller's transaction, for idempotency keys.
pub(crate) async fn add(
    db: &mut PgConnection,
    by: &By,
    shelf: Shelf<'_>,
    title: Option<&str>,
    examined: &Examined,
) -> Result<Document, ApiError> {
    let Examined { bytes, digest, media_type } = examined;
    let new = NewDocument { id: DocumentId::new(), title, media_type: *media_type, digest, original: bytes };
    let document = documents::add(&mut *db, shelf, &new).await?.ok_or(ApiError::NotFound("persona of yours"))?;
    // The same content is the same document: only the title or the media type may be new.
    let verb = if document.id == new.id { "document.added" } else { "document.changed" };
    let what = json!({"persona": shelf.slug, "media_type": document.media_type, "size": document.size});
    note(db, &by.does(verb).on(On::thing("document", document.id).of(shelf.owner)).after(what)).await?;
    Ok(document)
}

/// Deletes a document with its passages; `false` where there is none.
pub(crate) async fn delete(pool: &PgPool, by: &By, shelf: Shelf<'_>, id: DocumentId) -> Result<bool, ApiError> {
    let mut transaction = pool.begin().await?;
    if !documents::delete(&mut *transaction, shelf, id).await? {
        return Ok(false);
    }
    let deleted = by.does("document.deleted").on(On::thing("document", id).of(shelf.owner));
    note(&mut *transaction, &deleted.before(json!({"persona": shelf.slug}))).await?;
    transaction.commit().await?;
    Ok(true)
}
