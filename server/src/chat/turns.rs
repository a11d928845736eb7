//! Turns beside other turns: another reply to the same question, a reply that goes on, and the path that is chosen.

use troupe_core::{
    ids::{ConversationId, RequestId, UserId},
    model::Conversation,
};
use troupe_db::replies::{
    branches, conversations,
    forks::{self, Fork},
    messages, requests,
};

use super::{
    Chat,
    conversation_events::{tell, updated},
    send::{IfBusy, Place, Sending, Sent, send_message},
};
use crate::http::{
    error::{ApiError, ProblemCode},
    idempotent::{Created, Key, create_idempotent},
};

const NO_TURN: ApiError = ApiError::NotFound("request of yours");

/// Asks the question of a turn again, never from the cache. `continues`: the reply begins with that of the turn.
pub(crate) async fn ask_again(
    chat: &Chat,
    user: UserId,
    of: RequestId,
    continues: bool,
    key: Option<String>,
    correlation_id: &str,
) -> Result<Sent, ApiError> {
    let request = requests::find(&chat.pool, user, of).await?.ok_or(NO_TURN)?;
    if continues && request.reply.as_ref().is_none_or(|reply| reply.content.trim().is_empty()) {
        let detail = "the request has not ended with any text";
        return Err(ApiError::conflict(ProblemCode::NothingToContinue, detail));
    }
    let question = messages::question_of(&chat.pool, user, of).await?.ok_or(NO_TURN)?;
    let sending = Sending {
        conversation_id: request.conversation_id,
        content: question.content,
        if_busy: IfBusy::Enqueue,
        key,
        fresh: true,
        place: Place::Again { of, continues },
        brought: None,
    };
    send_message(chat, user, sending, correlation_id).await
}

/// Chooses the path through a turn.
pub(crate) async fn choose_path(
    chat: &Chat,
    user: UserId,
    id: ConversationId,
    through: RequestId,
) -> Result<Conversation, ApiError> {
    if !branches::choose(&chat.pool, user, id, through).await? {
        return Err(ApiError::NotFound("turn of a conversation of yours"));
    }
    let conversation = conversations::find(&chat.pool, user, id).await?.ok_or(ApiError::NotFound("conversation"))?;
    tell(chat, user, updated(conversation.clone(), false)).await;
    Ok(conversation)
}

/// A new conversation with a copy of the path up to a turn.
pub(crate) async fn fork(
    chat: &Chat,
    user: UserId,
    of: ConversationId,
    until: RequestId,
    title: Option<String>,
    key: Option<Key>,
) -> Result<Created<Conversation>, ApiError> {
    let created = create_idempotent(&chat.pool, user, key, |db| {
        Box::pin(async move {
            let id = ConversationId::new();
            let fork = Fork { id, user, of, until, title: title.as_deref() };
            if !forks::copy(db, fork).await? {
                return Err(ApiError::NotFound(
                    "turn of a conversation of yours, with a persona that you may talk with",
                ));
            }
            conversations::find(db, user, id).await?.ok_or(ApiError::NotFound("conversation"))
        })
    })
    .await?;
    if let Created::New(conversation) = &created {
        tell(chat, user, updated(conversation.clone(), false)).await;
    }
    Ok(created)
}
