//! Feedback of users on replies: create, change, delete.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use sqlx::PgConnection;
use troupe_core::{
    ids::{RequestId, UserId},
    model::feedback::{Feedback, MAX_NOTE_CHARS, Rating},
};
use troupe_db::replies::feedback::{self, Outcome, Rated};
use utoipa::ToSchema;

use crate::{
    auth::caller::Caller,
    chat::Chat,
    http::{
        error::{ApiError, ProblemCode},
        extract::{
            idempotency::{Keyed, REPLAYED},
            path::Id,
            validation::Checks,
        },
        idempotent::{Created, create_idempotent},
    },
};

const NO_REQUEST: ApiError = ApiError::NotFound("request of yours");
const NO_FEEDBACK: ApiError = ApiError::NotFound("feedback of yours");

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rate {
    rating: Rating,
    #[schema(min_length = 1, max_length = 2000)]
    note: Option<String>,
    /// Whether the persona's owner may have the question and the reply, for training.
    #[serde(default)]
    share: bool,
}

/// Say what you think of a reply
///
/// Of one that is completed. The same call again changes what was said.
#[utoipa::path(post, path = "/requests/{id}/feedback", tag = "requests", security(("token" = ["chat:write"])), params(("id" = RequestId, Path)), request_body = Rate,
    responses((status = 200, body = Feedback), (status = 404, description = "no such request of yours"),
        (status = 409, description = "there is no completed reply")))]
pub(crate) async fn rate(
    State(chat): State<Arc<Chat>>,
    Caller(user): Caller,
    Id(id): Id<RequestId>,
    Keyed { body: rate, key }: Keyed<Rate>,
) -> Result<Response, ApiError> {
    if let Some(note) = &rate.note {
        Checks::default().text("note", note, 1..=MAX_NOTE_CHARS).done()?;
    }
    Ok(match create_idempotent(&chat.pool, user, key, |db| Box::pin(store(db, user, id, rate))).await? {
        Created::New(feedback) => Json(feedback).into_response(),
        Created::Replayed(feedback) => ([REPLAYED], Json(feedback)).into_response(),
    })
}

async fn store(db: &mut PgConnection, user: UserId, id: RequestId, rate: Rate) -> Result<Feedback, ApiError> {
    let rated = Rated { rating: rate.rating, note: rate.note.as_deref(), share: rate.share };
    match feedback::rate(db, user, id, rated).await? {
        Outcome::Kept(kept) => Ok(kept),
        Outcome::NoRequest => Err(NO_REQUEST),
        Outcome::NotCompleted(status) => {
            let detail =
                if status.is_final() { "it ended without a whole reply" } else { "its reply is not there yet" };
            Err(ApiError::conflict(ProblemCode::NotCompleted, detail))
        }
    }
}

/// What you said of a reply
#[utoipa::path(get, path = "/requests/{id}/feedback", tag = "requests", security(("token" = ["chat:read"])), params(("id" = RequestId, Path)),
    responses((status = 200, body = Feedback), (status = 404, description = "no such request of yours, or you said nothing")))]
pub(crate) async fn read_feedback(
    State(chat): State<Arc<Chat>>,
    Caller(user): Caller,
    Id(id): Id<RequestId>,
) -> Result<Json<Feedback>, ApiError> {
    feedback::find(&chat.pool, user, id).await?.map(Json).ok_or(NO_FEEDBACK)
}

/// Take back what you said of a reply
#[utoipa::path(delete, path = "/requests/{id}/feedback", tag = "requests", security(("token" = ["chat:write"])), params(("id" = RequestId, Path)),
    responses((status = 204), (status = 404, description = "no such request of yours, or you said nothing")))]
pub(crate) async fn delete_feedback(
    State(chat): State<Arc<Chat>>,
    Caller(user): Caller,
    Id(id): Id<RequestId>,
) -> Result<StatusCode, ApiError> {
    if feedback::remove(&chat.pool, user, id).await? { Ok(StatusCode::NO_CONTENT) } else { Err(NO_FEEDBACK) }
}
