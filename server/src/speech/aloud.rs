//! Any text, spoken as a whole.

use tokio::time::Instant;
use troupe_core::{
    ids::{ConversationId, PersonaId, UserId},
    jobs::SpeakSentence,
    wav::Wav,
};

use super::{
    Speech,
    sentences::sentences,
    sound::{ORDERED_AHEAD, sound},
};
use crate::http::error::ApiError;

/// How a text is cut; it makes little difference.
const LANGUAGE: &str = "en";

/// What is said, and for whom.
pub(crate) struct Text {
    pub(crate) user: UserId,
    pub(crate) tier: String,
    pub(crate) persona: PersonaId,
    /// With which the sound is deleted.
    pub(crate) conversation: ConversationId,
    pub(crate) voice: String,
    pub(crate) content: String,
}

/// A WAV file.
pub(crate) async fn speak(speech: &Speech, text: Text, deadline: Instant) -> Result<Vec<u8>, ApiError> {
    let Text { user, tier, persona, conversation, voice, content } = text;
    let sentence = |text| SpeakSentence {
        persona_id: persona,
        conversation_id: conversation,
        tier: tier.clone(),
        voice: voice.clone(),
        text,
        user_id: user,
    };
    let wanted: Vec<_> = sentences(&content, true, LANGUAGE).into_iter().map(|said| sentence(said.spoken)).collect();
    if wanted.is_empty() {
        return Err(ApiError::field("input", "has nothing that could be said"));
    }
    joined(speech, &wanted, deadline).await?.ok_or_else(ApiError::timed_out)
}

/// The sound of all sentences; `None` where one is not there at the deadline. Some are made side by side, and not all
/// at once: others want to hear something, too.
pub(super) async fn joined(
    speech: &Speech,
    wanted: &[SpeakSentence],
    deadline: Instant,
) -> Result<Option<Vec<u8>>, ApiError> {
    let mut parts = Vec::with_capacity(wanted.len());
    for (number, next) in wanted.iter().enumerate() {
        let ahead = &wanted[number + 1..wanted.len().min(number + 1 + ORDERED_AHEAD)];
        let Some(clip) = sound(speech, next, ahead, deadline).await? else { return Ok(None) };
        parts.push(Wav::parse(&clip.bytes).map_err(|bad| ApiError::Internal(format!("read a kept sound: {bad}")))?);
    }
    Ok(Some(Wav::join(parts).map(|wav| wav.encode()).unwrap_or_default()))
}
