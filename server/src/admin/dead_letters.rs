//! Settles dead letters: tries them again or discards them, one or many.
//!
//! Many are settled in batches, each a statement of its own. A batch that fails leaves the earlier ones settled; doing
//! it all again does the rest, because a dead letter is settled only once.

use troupe_core::{
    events::{Cursor, Event, Frame},
    ids::RequestId,
    model::{
        admin::Tokens,
        audit::{By, On},
    },
};
use troupe_db::{
    Page,
    replies::dead_letters::{self, Filter},
};

use super::Admin;
use crate::{audit::note, chat::dispatcher::Accepted, http::error::ApiError};

/// More are not settled in one call: each new request wants a worker, and the caller an answer.
const MAX_SELECTED: usize = 10_000;
const PAGE: i64 = 500;
const BATCH: usize = 200;

/// What a filter selects.
#[derive(Default)]
pub(crate) struct Selection {
    /// The oldest first, as they were asked.
    pub(crate) ids: Vec<RequestId>,
    pub(crate) estimate: Tokens,
    /// Whether there are more than one call settles.
    pub(crate) more: bool,
}

/// What a filter selects now.
pub(crate) async fn select(admin: &Admin, filter: &Filter) -> Result<Selection, ApiError> {
    let longest_prompt = i64::try_from(admin.config.worker.prompt_tokens).unwrap_or(i64::MAX);
    let (mut selection, mut after) = (Selection::default(), None);
    loop {
        let page = dead_letters::list(&admin.pool, filter, Page { after, limit: PAGE }).await?;
        let last = page.len() < PAGE as usize;
        after = page.last().map(|letter| letter.id);
        for letter in page {
            if selection.ids.len() == MAX_SELECTED {
                selection.more = true;
                break;
            }
            selection.ids.push(letter.id);
            let Tokens { prompt_tokens, completion_tokens } = letter.estimate;
            selection.estimate += Tokens { prompt_tokens: prompt_tokens.min(longest_prompt), completion_tokens };
        }
        if last || selection.more {
            selection.ids.reverse();
            return Ok(selection);
        }
    }
}

/// Tries dead letters again; returns each with its new request. Those that are settled already are passed over.
pub(crate) async fn retry(
    admin: &Admin,
    by: &By,
    dead_letters: &[RequestId],
    correlation_id: &str,
) -> Result<Vec<(RequestId, RequestId)>, ApiError> {
    let mut retried = Vec::with_capacity(dead_letters.len());
    for batch in dead_letters.chunks(BATCH) {
        let mut transaction = admin.pool.begin().await?;
        let redriven = dead_letters::redrive(&mut *transaction, batch, correlation_id, admin.chat.limits()).await?;
        for letter in &redriven {
            let on = On::thing("dead_letter", letter.dead_letter).of(letter.user_id);
            note(&mut *transaction, &by.does("dead_letter.retried").on(on).after(letter.question.request_id)).await?;
        }
        transaction.commit().await?;
        for letter in redriven {
            let (dead_letter, request) = (letter.dead_letter, letter.question.request_id);
            tracing::info!(admin_id = by.user.map(tracing::field::display), %dead_letter, request_id = %request, "a dead letter is tried again");
            let conversation = letter.question.conversation_id;
            let news =
                Event::Queued { message: letter.question, place: None, correlation_id: correlation_id.to_owned() };
            admin.chat.dispatcher.hand_over(Accepted {
                user: letter.user_id,
                dispatch: letter.dispatch,
                queued: Frame::new(request, conversation, Cursor::QUEUED, letter.created_at, &news),
            });
            retried.push((dead_letter, request));
        }
    }
    Ok(retried)
}

/// Settles dead letters without another try; returns how many.
pub(crate) async fn discard(admin: &Admin, by: &By, dead_letters: &[RequestId]) -> Result<usize, ApiError> {
    let mut discarded = 0;
    for batch in dead_letters.chunks(BATCH) {
        let mut transaction = admin.pool.begin().await?;
        let settled = dead_letters::discard(&mut *transaction, batch).await?;
        for (dead_letter, user) in &settled {
            let on = On::thing("dead_letter", dead_letter).of(*user);
            note(&mut *transaction, &by.does("dead_letter.discarded").on(on)).await?;
        }
        transaction.commit().await?;
        for (dead_letter, _) in &settled {
            tracing::info!(admin_id = by.user.map(tracing::field::display), %dead_letter, "a dead letter is discarded");
        }
        discarded += settled.len();
    }
    Ok(discarded)
}
