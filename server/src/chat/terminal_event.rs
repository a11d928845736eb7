//! The terminal event of a request, built from its row: for readers whose log has expired, or who missed it.

use troupe_core::{
    events::{Cursor, Event, Frame},
    model::{Request, RequestStatus},
};

/// `None` while the request is open.
pub(crate) fn terminal_event(request: &Request) -> Option<Frame> {
    let correlation_id = String::new();
    let event = match (request.status, &request.reply, &request.error) {
        (RequestStatus::Completed, Some(message), _) => Event::Completed {
            message: message.clone(),
            usage: request.usage.unwrap_or_default(),
            provider: request.provider.clone().unwrap_or_default(),
            model: request.model.clone().unwrap_or_default(),
            incomplete: request.incomplete,
            retrieval: request.retrieval.clone(),
            correlation_id,
        },
        (RequestStatus::Failed, _, Some(error)) => Event::Failed { error: error.clone(), correlation_id },
        (RequestStatus::Cancelled, message, _) => Event::Cancelled { message: message.clone(), correlation_id },
        _ => return None,
    };
    let cursor = Cursor::end_of(u32::try_from(request.attempt).unwrap_or_default());
    Some(Frame::new(
        request.id,
        request.conversation_id,
        cursor,
        request.finished_at.unwrap_or(request.created_at),
        &event,
    ))
}
