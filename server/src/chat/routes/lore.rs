//! Which entries of the persona's lorebook a prompt had, and why it had no others.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use troupe_characters::lorebook::EntryReceipt;
use troupe_core::ids::RequestId;
use troupe_db::replies::lore;
use utoipa::ToSchema;

use crate::{
    auth::caller::Caller,
    chat::Chat,
    http::{error::ApiError, extract::path::Id},
};

/// Which entries a prompt had.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OpenedLore {
    /// The persona is somebody else's, who alone may read its lorebook: no entry has its name or its keys.
    withheld: bool,
    /// In the order of the lorebook. Empty where the persona has none, and until a worker has begun.
    entries: Vec<EntryReceipt>,
}

/// Which lore a reply had, and why it had no other
///
/// Of each entry of the persona's lorebook whether it was in the prompt: the key that was found and where, or what kept
/// it out.
#[utoipa::path(get, path = "/requests/{id}/lore", tag = "requests", security(("token" = ["chat:read"])), params(("id" = RequestId, Path)),
    responses((status = 200, body = OpenedLore), (status = 404, description = "no such request of yours")))]
pub(crate) async fn read_lore(
    State(chat): State<Arc<Chat>>,
    Caller(user): Caller,
    Id(id): Id<RequestId>,
) -> Result<Json<OpenedLore>, ApiError> {
    let receipt = lore::receipt(&chat.pool, user, id).await?.ok_or(ApiError::NotFound("request of yours"))?;
    let mut entries = receipt.entries.map(|entries| entries.0).unwrap_or_default();
    if !receipt.owned {
        for entry in &mut entries {
            entry.name.clear();
            entry.key = None;
        }
    }
    Ok(Json(OpenedLore { withheld: !receipt.owned, entries }))
}
