//! Tells a user's connections that a conversation has changed. In vain while Redis is away: they read it again after.

use troupe_core::{
    events::{ConversationEvent, Frame},
    ids::{ConversationId, UserId},
    model::Conversation,
};
use troupe_db::replies::conversations;

use super::Chat;

/// Tells of a conversation as it is stored now; `queue` where what waits in it has changed.
pub(crate) async fn tell_updated(chat: &Chat, user: UserId, id: ConversationId, queue: bool) {
    match conversations::find(&chat.pool, user, id).await {
        Ok(Some(conversation)) => tell(chat, user, updated(conversation, queue)).await,
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "sockets were not told of a change"),
    }
}

pub(crate) fn updated(conversation: Conversation, queue: bool) -> ConversationEvent {
    ConversationEvent::Updated { conversation: Box::new(conversation), queue }
}

pub(crate) async fn tell(chat: &Chat, user: UserId, event: ConversationEvent) {
    let frame = Frame::of_conversation(chat.clock.now(), &event);
    if let Err(error) = chat.bus.publish(&[(user, frame)]).await {
        tracing::warn!(%error, "sockets were not told of a change");
    }
}
