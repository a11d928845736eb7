//! The sound of a sentence: what is kept, or what a worker makes of it now.

use std::iter;

use ring::digest::{Context, SHA256};
use tokio::time::Instant;
use troupe_core::{ids::UserId, jobs::SpeakSentence, metrics::OutcomeLabel};
use troupe_db::{
    jobs::enqueue::NewJob,
    speech::audio_cache::{self, Clip},
};

use super::{Speech, follow::Reply};
use crate::{
    http::error::ApiError,
    metrics::SPEECH,
    ordered::{Ordered, order, until_made},
};

/// Sentences that are ordered beside the one that is waited for, at most.
pub(super) const ORDERED_AHEAD: usize = 3;

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
        let job = NewJob::new(sentence).of(sentence.user_id);
        if !order(&speech.pool, &job, sentence).await? {
            return Err(ApiError::overloaded());
        }
    }
    let find = || audio_cache::find(&speech.pool, wanted.user_id, &digest);
    match until_made(&speech.pool, wanted, deadline, find).await? {
        Ordered::Made(clip) => Ok(Some(clip)),
        Ordered::Failed => Err(ApiError::unspoken()),
        Ordered::NotYet => Ok(None),
    }
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
