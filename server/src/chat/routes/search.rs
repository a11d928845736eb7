//! Searching one's own messages.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Deserialize;
use troupe_core::ids::MessageId;
use utoipa::IntoParams;

use crate::{
    auth::caller::Caller,
    chat::{
        Chat,
        search::{FoundMessage, search_messages},
    },
    http::{
        error::ApiError,
        extract::paging::{Listed, Paging, Params},
    },
};

/// What is looked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Searching {
    /// Words, all of which a message must have; the last may be a beginning.
    #[param(min_length = 1, max_length = 200)]
    q: String,
    /// The `next` of the page before.
    after: Option<String>,
    /// The maximum number of items: 1 to 100, 50 by default.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
}

/// Search your messages
///
/// Questions and replies of all conversations but temporary ones, the newest first.
#[utoipa::path(get, path = "/search/messages", tag = "messages", security(("token" = ["chat:read"])), params(Searching),
    responses((status = 200, body = Listed<FoundMessage>)))]
pub(crate) async fn search(
    State(chat): State<Arc<Chat>>,
    Caller(user): Caller,
    Params(Searching { q, after, limit }): Params<Searching>,
) -> Result<Json<Listed<FoundMessage>>, ApiError> {
    let page = Paging { after, limit }.page::<MessageId>()?;
    let limit = page.limit;
    let found = search_messages(&chat, user, &q, page).await?;
    Ok(Json(Listed::new(found, limit, |found| found.message_id)))
}
