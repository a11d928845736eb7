//! Spoken sentences: each is a job, which leaves its sound in the audio cache. Whoever waits for it looks there.

use std::{sync::Arc, time::Duration};

use troupe_core::{
    config::Voice,
    jobs::{Payload, SpeakSentence},
};
use troupe_db::speech::audio_cache::{self, Clip};

use crate::{
    money::Spender,
    providers::{SpeechFailover, Unspoken},
    work::{Context, Job, JobError, Outcome, RetryPolicy, Settings},
};

/// Somebody listens: what cannot be spoken soon is not spoken.
const ATTEMPTS: u32 = 2;
const RETRY_BASE: Duration = Duration::from_millis(200);
const RETRY_CAP: Duration = Duration::from_secs(1);

/// The kind of job.
pub(crate) struct Speech {
    pub(crate) failover: Arc<SpeechFailover>,
}

impl Job for Speech {
    const KIND: &'static str = SpeakSentence::KIND;
    type Payload = SpeakSentence;

    fn settings(&self) -> Settings {
        Settings {
            weight: 16,
            concurrency: 8,
            retry: RetryPolicy::doubling(Some(ATTEMPTS), RETRY_BASE, RETRY_CAP),
            time_limit: self.failover.time_limit(),
            kept: Duration::ZERO,
            dead_letter_kept: Some(Duration::from_hours(1)),
        }
    }

    async fn run(&self, wanted: SpeakSentence, context: &Context) -> Result<Outcome, JobError> {
        let Some(voice) = Voice::parse(&wanted.voice) else {
            return Ok(Outcome::Fail { error: format!("'{}' is no voice", wanted.voice) });
        };
        // An earlier attempt may have spoken it, or another job that ended just before this one was ordered.
        if audio_cache::find(&context.pool, wanted.user_id, &wanted.digest()).await?.is_some() {
            return Ok(Outcome::DONE);
        }
        let spender = Spender { user: wanted.user_id, tier: &wanted.tier, persona: wanted.persona_id };
        let wav = match self.failover.speak(spender, &voice, &wanted.text).await {
            Ok(wav) => wav,
            Err(Unspoken::Failed { message, retryable: true }) => return Err(JobError::failed(message)),
            Err(unspoken) => return Ok(unspeakable(&unspoken.to_string())),
        };
        let duration_ms = i32::try_from(wav.duration().as_millis()).unwrap_or(i32::MAX).max(1);
        let clip = Clip { bytes: wav.encode(), duration_ms };
        audio_cache::store(&context.pool, &wanted, &clip).await?;
        Ok(Outcome::DONE)
    }

    async fn give_up(&self, _: SpeakSentence, _: &Context, error: &str) -> Result<Outcome, JobError> {
        Ok(unspeakable(error))
    }
}

/// Nothing that an admin has to look at: whoever listens is told, and may ask again.
fn unspeakable(error: &str) -> Outcome {
    tracing::warn!(error, "a sentence is not spoken");
    Outcome::DONE
}
