//! What a reply drew on, for whom it was written.

use std::{collections::HashMap, sync::Arc};

use axum::{Json, extract::State};
use serde::Serialize;
use troupe_core::{
    ids::RequestId,
    model::{
        grounding::{Mode, Source},
        knowledge::PassageLocation,
    },
};
use troupe_db::replies::sources::{self, TitledPassage};
use utoipa::ToSchema;

use crate::{
    auth::caller::Caller,
    chat::Chat,
    http::{error::ApiError, extract::path::Id},
};

/// What a reply drew on.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OpenedReceipt {
    mode: Mode,
    /// The persona is somebody else's, who alone may read what it knows: no source has its passage.
    withheld: bool,
    /// The best first.
    sources: Vec<OpenedSource>,
}

#[derive(Debug, Serialize, ToSchema)]
struct OpenedSource {
    #[serde(flatten)]
    source: Source,
    /// Null where it is withheld, and where its source has changed since.
    passage: Option<OpenedPassage>,
}

#[derive(Debug, Serialize, ToSchema)]
struct OpenedPassage {
    /// The document's title, or the question that was answered.
    title: String,
    place: PassageLocation,
    content: String,
}

impl From<TitledPassage> for OpenedPassage {
    fn from(TitledPassage { title, place, content, .. }: TitledPassage) -> Self {
        Self { title, place: place.0, content }
    }
}

/// What a reply drew on
///
/// The passages that were in its prompt, as they are now. Only a persona's owner is shown what they say.
#[utoipa::path(get, path = "/requests/{id}/sources", tag = "requests", security(("token" = ["chat:read"])), params(("id" = RequestId, Path)),
    responses((status = 200, body = OpenedReceipt), (status = 404, description = "no such request of yours")))]
pub(crate) async fn read_sources(
    State(chat): State<Arc<Chat>>,
    Caller(user): Caller,
    Id(id): Id<RequestId>,
) -> Result<Json<OpenedReceipt>, ApiError> {
    let receipt = sources::receipt(&chat.pool, user, id).await?.ok_or(ApiError::NotFound("request of yours"))?;
    let (mode, told) = receipt.grounding.map_or((Mode::None, Vec::new()), |told| (told.0.mode, told.0.sources));
    let mut passages = HashMap::new();
    if receipt.owned {
        let ids: Vec<_> = told.iter().map(|source| source.passage_id).collect();
        let found = sources::passages(&chat.pool, receipt.persona, &ids).await?;
        passages.extend(found.into_iter().map(|passage| (passage.id, OpenedPassage::from(passage))));
    }
    let opened = told.into_iter().map(|source| OpenedSource { passage: passages.remove(&source.passage_id), source });
    Ok(Json(OpenedReceipt { mode, withheld: !receipt.owned, sources: opened.collect() }))
}
