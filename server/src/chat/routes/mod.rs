//! Conversations over HTTP.

mod conversations;
mod feedback;
mod messages;
mod requests;

use axum::extract::FromRef;
use std::sync::Arc;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::chat::Chat;

pub(crate) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Chat>: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(conversations::create_conversation, conversations::list_conversations))
        .routes(routes!(
            conversations::read_conversation,
            conversations::rename_conversation,
            conversations::delete_conversation
        ))
        .routes(routes!(messages::list_messages, messages::create_message))
        .routes(routes!(requests::read_request))
        .routes(routes!(requests::cancel))
        .routes(routes!(requests::follow_request))
        .routes(routes!(feedback::rate, feedback::read_feedback, feedback::delete_feedback))
}
