//! The sound of a sentence: what is kept, or what a worker makes of it now.

use std::{iter, time::Duration};

use ring::digest::{Context, SHA256};
use tokio::time::{Instant, sleep};
use troupe_core::{ids::UserId, jobs::SpeakSentence, metrics::OutcomeLabel};
use troupe_db::{
    jobs::enqueue::{NewJob, enqueue_bounded, is_awaited},
    speech::audio_cache::{self, Clip},
};

use super::{Speech, follow::Reply};
use crate::{http::error::ApiError, metrics::SPEECH};

/// Sentences that wait for a worker, of all users.
const MAX_OPEN: usize = 1_000;
const FIRST_LOOK: Duration = Duration::from_millis(20);
const MAX_PAUSE: Duration = Duration::from_millis(150);

/// What a worker is to say.
pub(super) fn sentence(
    speech: &Speech,
    user: UserId,
    Reply { request, .. }: &Reply,
    text: String,
) -> Result<SpeakSentence, ApiError> {
    let voice = speech.voice(request.voice.as_deref())?.to_string();
    Ok(SpeakSentence {
        persona_id: request.persona,
        conversation_id: request.conversation,
        tier: request.tier.clone(),
        voice,
        text,
        user_id: user,
    })
}

/// The sound that is kept, or that a worker makes now; `None` where it is not there at the deadline. Those `ahead` are
/// ordered beside it.
pub(super) async fn sound(
    speech: &Speech,
    wanted: &SpeakSentence,
    ahead: &[SpeakSentence],
    deadline: Instant,
) -> Result<Option<Clip>, ApiError> {
    let digest = wanted.digest();
    let kept = audio_cache::find(&speech.pool, wanted.user_id, &digest).await?;
    let outcome = if kept.is_some() { "kept" } else { "ordered" };
    SPEECH.sentences.get_or_create(&OutcomeLabel { outcome }).inc();
    if kept.is_some() {
        return Ok(kept);
    }
    for sentence in iter::once(wanted).chain(ahead) {
        order(speech, sentence).await?;
    }
    let mut pause = FIRST_LOOK;
    while Instant::now() < deadline {
        sleep(pause.min(deadline - Instant::now())).await;
        // Asked first: what is made between both questions is found by the second.
        let is_awaited = is_awaited(&speech.pool, wanted).await?;
        let made = audio_cache::find(&speech.pool, wanted.user_id, &digest).await?;
        if made.is_some() {
            return Ok(made);
        }
        if !is_awaited {
            return Err(ApiError::unspoken());
        }
        pause = (pause * 2).min(MAX_PAUSE);
    }
    Ok(None)
}

/// Has a worker make it, if none does already.
async fn order(speech: &Speech, wanted: &SpeakSentence) -> Result<(), ApiError> {
    let job = NewJob::new(wanted).of(wanted.user_id);
    // The job that refuses the first may have ended before it is looked for.
    let is_taken = enqueue_bounded(&speech.pool, &job, MAX_OPEN).await?
        || is_awaited(&speech.pool, wanted).await?
        || enqueue_bounded(&speech.pool, &job, MAX_OPEN).await?;
    if is_taken { Ok(()) } else { Err(ApiError::overloaded()) }
}

/// The tag of a sound: it changes with the text and with the voice.
pub(super) fn tag(wanted: &[SpeakSentence]) -> String {
    let mut context = Context::new(&SHA256);
    for sentence in wanted {
        context.update(&sentence.digest());
    }
    let digits = context.finish().as_ref()[..16].iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    format!("\"{digits}\"")
}
