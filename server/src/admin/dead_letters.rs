//! Retries or discards dead letters, one or many.
//!
//! Many are resolved in batches, each in its own transaction. A failed batch leaves the earlier ones resolved; repeated
//! calls do the rest, because a dead letter is resolved only once.

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

/// The maximum per call: each retry needs a worker, and the caller waits for the response.
const MAX_SELECTED: usize = 10_000;
const PAGE: i64 = 500;
const BATCH: usize = 200;

/// The dead letters that a filter selects.
#[derive(Default)]
pub(crate) struct Selection {
    /// The oldest question first.
    pub(crate) ids: Vec<RequestId>,
    pub(crate) estimate: Tokens,
    /// Whether more are selected than one call resolves.
    pub(crate) more: bool,
}

/// Selects dead letters.
pub(crate) async fn select(admin: &Admin, filter: &Filter) -> Result<Selection, ApiError> {
    let max_prompt_tokens = i64::try_from(admin.config.worker.prompt_tokens).unwrap_or(i64::MAX);
    let mut selection = Selection::default();
    let mut after = None;
    loop {
        let page = dead_letters::list(&admin.pool, filter, Page { after, limit: PAGE }).await?;
        let last = page.len() < PAGE as usize;
        after = page.last().map(|dead_letter| dead_letter.id);
        for dead_letter in page {
            if selection.ids.len() == MAX_SELECTED {
                selection.more = true;
                break;
            }
            selection.ids.push(dead_letter.id);
            let Tokens { prompt_tokens, completion_tokens } = dead_letter.estimate;
            selection.estimate += Tokens { prompt_tokens: prompt_tokens.min(max_prompt_tokens), completion_tokens };
        }
        if last || selection.more {
            selection.ids.reverse();
            return Ok(selection);
        }
    }
}

/// Retries dead letters; returns each with its new request. Resolved ones are skipped.
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
        for one in &redriven {
            let on = On::thing("dead_letter", one.dead_letter).of(one.user_id);
            note(&mut *transaction, &by.does("dead_letter.retried").on(on).after(one.question.request_id)).await?;
        }
        transaction.commit().await?;
        for one in redriven {
            let dead_letter = one.dead_letter;
            let request = one.question.request_id;
            tracing::info!(admin_id = by.user.map(tracing::field::display), %dead_letter, request_id = %request, "a dead letter is tried again");
            let conversation = one.question.conversation_id;
            let event = Event::Queued { message: one.question, place: None, correlation_id: correlation_id.to_owned() };
            admin.chat.dispatcher.hand_over(Accepted {
                user: one.user_id,
                dispatch: one.dispatch,
                queued: Frame::new(request, conversation, Cursor::QUEUED, one.created_at, &event),
            });
            retried.push((dead_letter, request));
        }
    }
    Ok(retried)
}

/// Discards dead letters; returns their number.
pub(crate) async fn discard(admin: &Admin, by: &By, dead_letters: &[RequestId]) -> Result<usize, ApiError> {
    let mut discarded = 0;
    for batch in dead_letters.chunks(BATCH) {
        let mut transaction = admin.pool.begin().await?;
        let resolved = dead_letters::discard(&mut *transaction, batch).await?;
        for (dead_letter, user) in &resolved {
            let on = On::thing("dead_letter", dead_letter).of(*user);
            note(&mut *transaction, &by.does("dead_letter.discarded").on(on)).await?;
        }
        transaction.commit().await?;
        for (dead_letter, _) in &resolved {
            tracing::info!(admin_id = by.user.map(tracing::field::display), %dead_letter, "a dead letter is discarded");
        }
        discarded += resolved.len();
    }
    Ok(discarded)
}
