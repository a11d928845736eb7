//! Requests: read one, wait for it, follow its events.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use troupe_core::{events::Cursor, ids::RequestId, model::Request};
use utoipa::IntoParams;

use crate::{
    auth::caller::{Caller, Identified},
    chat::{Chat, cancel::cancel_request, event_stream, wait::await_request},
    http::{
        error::ApiError,
        extract::{paging::Params, path::Id},
    },
};

/// How long to wait for the end.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Waiting {
    /// Seconds to wait for the request to finish; 0 by default.
    #[param(minimum = 0, maximum = 60)]
    #[serde(default)]
    wait: u64,
}

impl Waiting {
    pub(crate) fn of(wait: u64) -> Self {
        Self { wait }
    }

    pub(crate) fn time(&self, max: Duration) -> Result<Duration, ApiError> {
        let time = Duration::from_secs(self.wait);
        if time > max {
            return Err(ApiError::field("wait", format!("must not be more than {} seconds", max.as_secs())));
        }
        Ok(time)
    }
}

/// Where to take up the events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Following {
    /// The last cursor seen, such as `1-17`; the header `Last-Event-ID` says the same.
    after: Option<String>,
}

/// A request as it stands, or, with `wait`, as soon as it is finished
#[utoipa::path(get, path = "/requests/{id}", tag = "requests", security(("token" = ["chat:read"])), params(("id" = RequestId, Path), Waiting),
    responses(
        (status = 200, body = Request, headers(("Retry-After" = u32, description = "while it is not finished"))),
        (status = 404, description = "no such request of yours"),
    ))]
pub(crate) async fn read_request(
    State(chat): State<Arc<Chat>>,
    Caller(user): Caller,
    Id(id): Id<RequestId>,
    Params(waiting): Params<Waiting>,
) -> Result<Response, ApiError> {
    let request = await_request(&chat, user, id, waiting.time(chat.config.server.max_wait)?).await?;
    let finished = request.status.is_final();
    let mut response = Json(request).into_response();
    if !finished {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    Ok(response)
}

/// Cancel a request
///
/// Whatever it is doing. What had been shown of the reply is kept. One that has ended stays as it ended: cancelling it
/// again, or too late, is no error.
#[utoipa::path(post, path = "/requests/{id}/cancel", tag = "requests", security(("token" = ["chat:write"])), params(("id" = RequestId, Path)),
    responses((status = 200, body = Request), (status = 404, description = "no such request of yours")))]
pub(crate) async fn cancel(
    State(chat): State<Arc<Chat>>,
    Caller(user): Caller,
    Id(id): Id<RequestId>,
) -> Result<Json<Request>, ApiError> {
    cancel_request(&chat, user, id).await.map(Json)
}

/// The events of a request, as Server-Sent Events
///
/// Begins after the cursor given, and ends after the terminal event; 204 where nothing is to come any more.
#[utoipa::path(get, path = "/requests/{id}/events", tag = "requests", security(("token" = ["chat:read"])), params(("id" = RequestId, Path), Following),
    responses(
        (status = 200, content_type = "text/event-stream", body = String),
        (status = 204, description = "everything has been seen"),
        (status = 404, description = "no such request of yours"),
    ))]
pub(crate) async fn follow_request(
    State(chat): State<Arc<Chat>>,
    Identified(identity): Identified,
    Id(id): Id<RequestId>,
    Params(following): Params<Following>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let after = match last.or(following.after.as_deref()) {
        Some(cursor) => cursor.parse().map_err(|e| ApiError::field("after", format!("{e}")))?,
        None => Cursor::START,
    };
    event_stream::follow(chat, &identity, id, after).await
}
