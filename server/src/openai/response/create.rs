//! Accepts a response: in a conversation that is made for it, in one that is named, or after an earlier response.

use ring::digest::{SHA256, digest};
use troupe_core::{
    ids::{ConversationId, RequestId, UserId},
    model::{
        Conversation, Message, Role,
        caller_options::{CallerOptions, CallerTurn, ResponseSettings, Sampling, Truncation},
    },
    token_estimate::estimate_tokens,
};
use troupe_db::replies::{
    branches,
    conversations::{self, NewConversation},
    messages::{self, Window},
    responses::{self, Response},
};

use super::view::Asked;
use crate::{
    chat::{
        Chat,
        send::{Brought, IfBusy, Place, Sending, Sent, find_replay, send_message},
    },
    http::{
        error::{ApiError, ProblemCode},
        idempotent::Key,
    },
    openai::{OpenAi, input},
};

/// A response that is to be made.
pub(in crate::openai) struct Creation<'a> {
    /// A persona's slug; that of the conversation where it is left out.
    pub(in crate::openai) model: Option<&'a str>,
    pub(in crate::openai) brought: input::Brought,
    pub(in crate::openai) sampling: Sampling,
    /// Without what is known of the input.
    pub(in crate::openai) settings: ResponseSettings,
    pub(in crate::openai) conversation: Option<ConversationId>,
    pub(in crate::openai) key: Option<String>,
    pub(in crate::openai) fresh: bool,
    /// The whole call, which a key stands for.
    pub(in crate::openai) call: &'a [u8],
}

impl Creation<'_> {
    /// Whether the turns before it must go with it: where the caller's own stand between, or it is apart from them.
    const fn needs_history(&self) -> bool {
        !self.brought.history.is_empty() || !self.settings.store
    }
}

/// Where it goes, and what is before it.
struct Thread {
    conversation: Conversation,
    /// Whether the conversation was made for it.
    is_new: bool,
    place: Place,
    /// Instead of the conversation's own turns.
    history: Option<Vec<CallerTurn>>,
    /// Of the input of the responses before it.
    instructions: Option<String>,
}

pub(in crate::openai) struct Created {
    pub(in crate::openai) sent: Sent,
    pub(in crate::openai) asked: Asked,
}

pub(in crate::openai) async fn accept_response(
    openai: &OpenAi,
    user: UserId,
    creation: Creation<'_>,
    correlation_id: &str,
) -> Result<Created, ApiError> {
    let chat = &openai.chat;
    let fingerprint = digest(&SHA256, creation.call).as_ref().to_vec();
    let known = creation.key.clone().map(|key| Key { key, fingerprint: fingerprint.clone() });
    if let Some(sent) = find_replay(chat, user, known.as_ref()).await? {
        return created(openai, user, sent).await;
    }
    let thread = thread(chat, user, &creation).await?;
    let Thread { conversation, is_new, place, history, instructions } = thread;
    let Creation { brought, sampling, mut settings, key, fresh, .. } = creation;
    let input::Brought { instructions: own, history: earlier, question, items } = brought;
    settings.input = items;
    settings.input_instructions = join([instructions, own]);
    let history = match (history, is_new) {
        (Some(history), _) => {
            Some(newest_within(history.into_iter().chain(earlier).collect(), chat.config.server.max_history))
        }
        (None, true) if !earlier.is_empty() => Some(earlier),
        // The conversation's own turns.
        (None, _) => None,
    };
    let instructions = join([settings.instructions.clone(), settings.input_instructions.clone()]);
    let options = CallerOptions { instructions, history, sampling, response: Some(settings) };
    if let Err(error) = check_length(chat, &options, &question) {
        discard(openai, user, &conversation, is_new).await;
        return Err(error);
    }
    let sending = Sending {
        conversation_id: conversation.id,
        content: question,
        if_busy: IfBusy::Enqueue,
        key,
        fresh,
        place,
        brought: Some(Brought { options, fingerprint }),
    };
    let sent = send_message(chat, user, sending, correlation_id).await;
    if sent.as_ref().map_or(true, |sent| sent.replayed) {
        discard(openai, user, &conversation, is_new).await;
    }
    created(openai, user, sent?).await
}

/// As it is stored, with its place in the queue.
async fn created(openai: &OpenAi, user: UserId, sent: Sent) -> Result<Created, ApiError> {
    // It was accepted: the same call made again would be accepted again.
    let response = responses::find(&openai.pool, user, sent.request.id).await;
    let response = response.map_err(|error| ApiError::Internal(format!("read an accepted response: {error}")))?;
    let response = response.ok_or(ApiError::NotFound("response"))?;
    let mut asked = Asked { place: sent.place, ..response.into() };
    if !sent.replayed {
        // As it was accepted; a worker may have it already.
        asked.request = sent.request.clone();
    }
    Ok(Created { sent, asked })
}

/// Nothing is in it. Where this fails, an empty conversation stays.
async fn discard(openai: &OpenAi, user: UserId, conversation: &Conversation, is_new: bool) {
    if is_new && let Err(error) = conversations::delete(&openai.pool, user, conversation.id).await {
        tracing::warn!(%error, "an empty conversation was not deleted");
    }
}

/// A history that is too long is cut, unless the caller refuses that.
fn check_length(chat: &Chat, options: &CallerOptions, question: &str) -> Result<(), ApiError> {
    if options.response.as_ref().is_none_or(|settings| settings.truncation == Truncation::Auto) {
        return Ok(());
    }
    let turns = options.history.iter().flatten().map(|turn| turn.content.as_str());
    let all = turns.chain(options.instructions.as_deref()).chain([question]);
    let tokens: usize = all.map(estimate_tokens).sum();
    let limit = chat.config.worker.prompt_tokens;
    if tokens <= limit {
        return Ok(());
    }
    let detail = format!("has some {tokens} tokens, of at most {limit}, and truncation is disabled");
    Err(ApiError::field("input", detail))
}

async fn thread(chat: &Chat, user: UserId, creation: &Creation<'_>) -> Result<Thread, ApiError> {
    let thread = match (creation.settings.previous, creation.conversation) {
        (Some(_), Some(_)) => {
            return Err(ApiError::field("conversation", "excludes previous_response_id"));
        }
        (Some(previous), None) => after(chat, user, previous, creation).await?,
        (None, Some(conversation)) => in_conversation(chat, user, conversation, creation).await?,
        (None, None) => {
            let model = creation.model.ok_or_else(|| ApiError::field("model", "is missing"))?;
            return new_conversation(chat, user, model, creation).await;
        }
    };
    let slug = &thread.conversation.persona.slug;
    if creation.model.is_some_and(|model| model != slug) {
        return Err(ApiError::field("model", format!("the conversation is with '{slug}'")));
    }
    if !creation.settings.store {
        // With the same before it, and apart.
        let apart = new_conversation(chat, user, slug, creation).await?;
        let Thread { history, instructions, .. } = thread;
        return Ok(Thread { history, instructions, ..apart });
    }
    Ok(thread)
}

async fn new_conversation(
    chat: &Chat,
    user: UserId,
    persona: &str,
    creation: &Creation<'_>,
) -> Result<Thread, ApiError> {
    let temporary = !creation.settings.store;
    let new = NewConversation { id: ConversationId::new(), user, persona, title: None, temporary, language: None };
    let mut db = chat.pool.acquire().await?;
    let conversation = conversations::create(&mut db, new).await?.ok_or(ApiError::NotFound("model"))?;
    Ok(Thread { conversation, is_new: true, place: Place::End, history: None, instructions: None })
}

async fn in_conversation(
    chat: &Chat,
    user: UserId,
    id: ConversationId,
    creation: &Creation<'_>,
) -> Result<Thread, ApiError> {
    let missing = ApiError::NotFound("conversation");
    let conversation = conversations::find(&chat.pool, user, id).await?.ok_or(missing)?;
    let history = if creation.needs_history() { Some(turns_of(chat, user, id).await?) } else { None };
    Ok(Thread { conversation, is_new: false, place: Place::End, history, instructions: None })
}

/// After an earlier response: at the end of its path, or on a branch of its own where others came after it.
async fn after(chat: &Chat, user: UserId, previous: RequestId, creation: &Creation<'_>) -> Result<Thread, ApiError> {
    let missing = || ApiError::NotFound("previous response");
    let previous = responses::find(&chat.pool, user, previous).await?.filter(|found| !found.temporary);
    let Response { request, options, question, next, .. } = previous.ok_or_else(missing)?;
    let id = request.conversation_id;
    let place = match next {
        Some(next) => Place::Beside(next),
        None if creation.settings.store => {
            branches::choose(&chat.pool, user, id, request.id).await?;
            Place::End
        }
        None => Place::End,
    };
    let conversation = conversations::find(&chat.pool, user, id).await?.ok_or_else(missing)?;
    let needs_history = creation.needs_history();
    let history = match options.history {
        None if !needs_history => None,
        _ if !request.status.is_final() => {
            let detail = "the previous response is still being written";
            return Err(ApiError::conflict(ProblemCode::ReplyUnfinished, detail));
        }
        Some(mut history) => {
            history.push(CallerTurn { role: Role::User, content: question });
            let reply = request.reply.map(|Message { role, content, .. }| CallerTurn { role, content });
            history.extend(reply);
            Some(history)
        }
        None => Some(responses::turns_until(&chat.pool, user, request.id, history_limit(chat)).await?),
    };
    let instructions = options.response.and_then(|settings| settings.input_instructions);
    Ok(Thread { conversation, is_new: false, place, history, instructions })
}

/// The turns of the chosen path, as many as prompts have.
async fn turns_of(chat: &Chat, user: UserId, id: ConversationId) -> Result<Vec<CallerTurn>, ApiError> {
    let newest = messages::list(&chat.pool, user, id, Window::Before(None), history_limit(chat)).await?;
    let turns = newest.unwrap_or_default().into_iter().rev();
    Ok(turns.map(|Message { role, content, .. }| CallerTurn { role, content }).collect())
}

fn history_limit(chat: &Chat) -> i64 {
    chat.config.worker.history_messages.into()
}

/// The newest turns that have no more bytes: each response after another one brings what that one has brought.
fn newest_within(mut history: Vec<CallerTurn>, max_bytes: usize) -> Vec<CallerTurn> {
    let mut left = max_bytes;
    let fits = |turn: &&CallerTurn| {
        let rest = left.checked_sub(turn.content.len());
        left = rest.unwrap_or_default();
        rest.is_some()
    };
    let kept = history.iter().rev().take_while(fits).count();
    history.split_off(history.len() - kept)
}

fn join(texts: [Option<String>; 2]) -> Option<String> {
    let texts: Vec<_> = texts.into_iter().flatten().collect();
    (!texts.is_empty()).then(|| texts.join("\n\n"))
}
