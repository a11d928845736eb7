//! Accepts a question of `/v1`, in a conversation of its own.

use ring::digest::{SHA256, digest};
use troupe_core::{
    ids::{ConversationId, UserId},
    model::caller_options::{CallerOptions, Sampling},
};
use troupe_db::replies::conversations::{self, NewConversation};

use super::{OpenAi, input};
use crate::{
    chat::send::{Brought, IfBusy, Place, Sending, Sent, find_replay, send_message},
    http::{error::ApiError, idempotent::Key},
};

/// A question, and what comes with it.
pub(super) struct Asking<'a> {
    /// A persona's slug.
    pub(super) model: &'a str,
    pub(super) brought: input::Brought,
    pub(super) sampling: Sampling,
    pub(super) key: Option<String>,
    pub(super) fresh: bool,
    /// The whole call, which a key stands for.
    pub(super) call: &'a [u8],
}

/// Sends the question in a new conversation that is in no list, and deleted after a day.
pub(super) async fn ask_apart(
    openai: &OpenAi,
    user: UserId,
    asking: Asking<'_>,
    correlation_id: &str,
) -> Result<Sent, ApiError> {
    let OpenAi { pool, chat, .. } = openai;
    let Asking { model, brought, sampling, key, fresh, call } = asking;
    let fingerprint = digest(&SHA256, call).as_ref().to_vec();
    let known = key.clone().map(|key| Key { key, fingerprint: fingerprint.clone() });
    if let Some(replay) = find_replay(chat, user, known.as_ref()).await? {
        return Ok(replay);
    }
    let id = ConversationId::new();
    let new = NewConversation { id, user, persona: model, title: None, temporary: true, language: None };
    let mut db = pool.acquire().await?;
    conversations::create(&mut db, new).await?.ok_or(ApiError::NotFound("model"))?;
    drop(db);
    let input::Brought { instructions, history, question, .. } = brought;
    let options = CallerOptions { instructions, history: Some(history), sampling, response: None };
    let sending = Sending {
        conversation_id: id,
        content: question,
        if_busy: IfBusy::Enqueue,
        key,
        fresh,
        place: Place::End,
        brought: Some(Brought { options, fingerprint }),
    };
    let sent = send_message(chat, user, sending, correlation_id).await;
    if sent.as_ref().map_or(true, |sent| sent.replayed) {
        // Nothing is in it. Where this fails, retention deletes it.
        _ = conversations::delete(pool, user, id).await;
    }
    sent
}
