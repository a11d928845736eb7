//! Creates something once, however often the call is made: the key and what it stands for come in one transaction, and
//! with them what the audit log has of it.

use futures::future::BoxFuture;
use ring::digest::{SHA256, digest};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use troupe_core::ids::UserId;
use troupe_db::operations::idempotency;

use super::error::ApiError;
use crate::state::AppState;

/// A key with the fingerprint of what it stands for.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) key: String,
    pub(crate) fingerprint: Vec<u8>,
}

impl Key {
    pub(crate) fn new(key: String, what: &[&[u8]]) -> Self {
        // Lengths before parts: no two lists of parts look the same.
        let parts = what.iter().flat_map(|part| [part.len().to_string().into_bytes(), b":".to_vec(), part.to_vec()]);
        let fingerprint = digest(&SHA256, &parts.collect::<Vec<_>>().concat()).as_ref().to_vec();
        Self { key, fingerprint }
    }
}

/// What was created, now or under the same key before.
pub(crate) enum Created<T> {
    Now(T),
    Before(Value),
}

/// What was created under this key before, for those who have much to do until they can create it.
pub(crate) async fn before<T>(
    state: &AppState,
    user: UserId,
    key: Option<&Key>,
) -> Result<Option<Created<T>>, ApiError> {
    let Some(key) = key else { return Ok(None) };
    let known = idempotency::find(&state.pool, user, &key.key).await?;
    let same = known.filter(|known| known.fingerprint == key.fingerprint);
    Ok(same.and_then(|known| known.answer).map(Created::Before))
}

pub(crate) async fn once<T, F>(
    state: &AppState,
    user: UserId,
    key: Option<Key>,
    create: F,
) -> Result<Created<T>, ApiError>
where
    T: Serialize,
    F: for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, ApiError>>,
{
    let mut transaction = state.pool.begin().await?;
    let Some(Key { key, fingerprint }) = key else {
        let created = create(&mut transaction).await?;
        transaction.commit().await?;
        return Ok(Created::Now(created));
    };
    if idempotency::take(&mut *transaction, user, &key, &fingerprint).await? {
        let created = create(&mut transaction).await?;
        // By way of its text: numbers are to be written again as they are written now.
        let answer = serde_json::to_string(&created).and_then(|text| serde_json::from_str(&text));
        let answer = answer.map_err(|e| ApiError::Internal(e.to_string()))?;
        idempotency::answered(&mut *transaction, user, &key, &answer).await?;
        transaction.commit().await?;
        return Ok(Created::Now(created));
    }
    let known = idempotency::find(&mut *transaction, user, &key).await?;
    // It was there a moment ago: removed with the last of its retention, or with the account.
    let known = known.ok_or_else(|| ApiError::Unavailable("an idempotency key vanished".to_owned()))?;
    match known.answer {
        Some(answer) if known.fingerprint == fingerprint => Ok(Created::Before(answer)),
        _ => Err(ApiError::KeyReused),
    }
}
