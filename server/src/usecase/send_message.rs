//! Accepts a message: checks it, stores it with its request in one statement, and has it handed to the queue.

use troupe_shared::{
    db::requests::NewMessage,
    events::{Cursor, Event, Frame},
    ids::{ConversationId, MessageId, RequestId, UserId},
    model::{Message, Request, RequestStatus, Role},
};

use crate::{dispatcher::Accepted, error::ApiError, extract::checks::Checks, state::AppState};

/// What was accepted.
pub(crate) struct Sent {
    pub(crate) request: Request,
    pub(crate) message: Message,
}

pub(crate) async fn send_message(
    state: &AppState,
    user: UserId,
    conversation_id: ConversationId,
    content: String,
    correlation_id: &str,
) -> Result<Sent, ApiError> {
    let limit = state.config.server.max_content;
    if content.len() > limit {
        return Err(ApiError::ContentTooLong { limit });
    }
    Checks::default().text("content", &content, 1..=limit).done()?;

    let (request_id, message_id) = (RequestId::new(), MessageId::new());
    let new = NewMessage {
        request_id,
        message_id,
        conversation_id,
        user_id: user,
        content: content.clone(),
        correlation_id: correlation_id.to_owned(),
    };
    let stored = state.accepts.call(new).await.ok_or_else(|| ApiError::Unavailable("shutting down".to_owned()))?;
    let accepted = stored.map_err(|error| ApiError::from(&*error))?.ok_or(ApiError::NotFound("conversation"))?;
    let created_at = accepted.created_at;
    let message = Message { id: message_id, conversation_id, request_id, role: Role::User, content, created_at };
    let news = Event::Queued { message: message.clone(), correlation_id: correlation_id.to_owned() };
    state.dispatcher.hand_over(Accepted {
        user,
        dispatch: accepted.dispatch,
        queued: Frame::new(request_id, conversation_id, Cursor::QUEUED, created_at, &news),
    });
    let request = Request {
        id: request_id,
        conversation_id,
        status: RequestStatus::Queued,
        attempt: 0,
        message_id,
        reply: None,
        error: None,
        usage: None,
        provider: None,
        model: None,
        created_at,
        started_at: None,
        finished_at: None,
    };
    Ok(Sent { request, message })
}
