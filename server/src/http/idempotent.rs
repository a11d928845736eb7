//! Idempotent creation by `Idempotency-Key`: the key, the thing that is created and its audit entry are committed in
//! one transaction, so that a repeated call replays the stored response.

use futures::future::BoxFuture;
use ring::digest::{SHA256, digest};
use serde::Serialize;
use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use troupe_core::ids::UserId;
use troupe_db::operations::idempotency;

use super::error::ApiError;

/// A key, and the fingerprint of the call that it was given with.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) key: String,
    pub(crate) fingerprint: Vec<u8>,
}

impl Key {
    pub(crate) fn new(key: String, what: &[&[u8]]) -> Self {
        // Length-prefixed, so that no two lists of parts have the same encoding.
        let parts = what.iter().flat_map(|part| [part.len().to_string().into_bytes(), b":".to_vec(), part.to_vec()]);
        let fingerprint = digest(&SHA256, &parts.collect::<Vec<_>>().concat()).as_ref().to_vec();
        Self { key, fingerprint }
    }
}

/// Created by this call, or the stored response to an earlier call with the same key.
pub(crate) enum Created<T> {
    New(T),
    Replayed(Value),
}

/// The response to an earlier call with this key, for callers whose preparation is expensive.
pub(crate) async fn find_replay<T>(
    pool: &PgPool,
    user: UserId,
    key: Option<&Key>,
) -> Result<Option<Created<T>>, ApiError> {
    let Some(key) = key else { return Ok(None) };
    let known = idempotency::find(pool, user, &key.key).await?;
    let same = known.filter(|known| known.fingerprint == key.fingerprint);
    Ok(same.and_then(|known| known.answer).map(Created::Replayed))
}

/// Runs `create` in a transaction, or replays the response to an earlier call with the same key and fingerprint.
pub(crate) async fn create_idempotent<T, F>(
    pool: &PgPool,
    user: UserId,
    key: Option<Key>,
    create: F,
) -> Result<Created<T>, ApiError>
where
    T: Serialize,
    F: for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, ApiError>>,
{
    let mut transaction = pool.begin().await?;
    let Some(Key { key, fingerprint }) = key else {
        let created = create(&mut transaction).await?;
        transaction.commit().await?;
        return Ok(Created::New(created));
    };
    if idempotency::take(&mut *transaction, user, &key, &fingerprint).await? {
        let created = create(&mut transaction).await?;
        // Through text, so that a replay writes numbers as the first response does.
        let answer = serde_json::to_string(&created).and_then(|text| serde_json::from_str(&text));
        let answer = answer.map_err(|e| ApiError::Internal(e.to_string()))?;
        idempotency::answered(&mut *transaction, user, &key, &answer).await?;
        transaction.commit().await?;
        return Ok(Created::New(created));
    }
    let known = idempotency::find(&mut *transaction, user, &key).await?;
    // It existed a moment ago: removed by retention, or with the account.
    let known = known.ok_or_else(|| ApiError::unavailable("an idempotency key vanished"))?;
    match known.answer {
        Some(answer) if known.fingerprint == fingerprint => Ok(Created::Replayed(answer)),
        _ => Err(ApiError::idempotency_key_reused()),
    }
}
