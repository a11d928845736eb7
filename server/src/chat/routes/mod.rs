//! Conversations over HTTP.

mod conversations;
mod feedback;
mod lore;
mod messages;
pub(crate) mod requests;
mod search;
mod sources;
mod turns;
mod waiting_line;

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
            conversations::change_conversation,
            conversations::delete_conversation
        ))
        .routes(routes!(conversations::list_folders))
        .routes(routes!(conversations::export_conversation))
        .routes(routes!(turns::choose_path))
        .routes(routes!(turns::fork_conversation))
        .routes(routes!(turns::regenerate))
        .routes(routes!(turns::continue_reply))
        .routes(routes!(waiting_line::list_waiting, waiting_line::reorder_waiting))
        .routes(routes!(waiting_line::withdraw))
        .routes(routes!(search::search))
        .routes(routes!(messages::list_messages, messages::create_message))
        .routes(routes!(requests::read_request, waiting_line::edit_waiting))
        .routes(routes!(requests::cancel))
        .routes(routes!(sources::read_sources))
        .routes(routes!(lore::read_lore))
        .routes(routes!(requests::follow_request))
        .routes(routes!(feedback::rate, feedback::read_feedback, feedback::delete_feedback))
}
