//! Messages, for their readers, who pay.

use std::time::Duration;

use futures::future::join_all;
use troupe_core::{
    jobs::{Payload, TranslateMessage},
    languages::{self, Language},
};
use troupe_db::translations::messages::{self, Original};

use super::{
    ATTEMPTS, RETRY_BASE, RETRY_CAP, Translators,
    parts::{Part, parts},
    untranslated,
};
use crate::{
    money::Spender,
    providers::{Assignment, TextKind, Translated, Translator, Untranslated},
    work::{Context, Job, JobError, Outcome, RetryPolicy, Settings},
};

/// Of one message.
const PARTS_AT_ONCE: usize = 4;
/// A message has more than these only if it is longer than any model writes.
const MAX_PARTS: u32 = 40;

/// Who has translated a message that is the same in every language.
const NOBODY: &str = "nobody";

/// The kind of job.
pub(crate) struct MessageTranslation(pub(crate) Translators);

impl MessageTranslation {
    /// The translation; the provider is that of the last part.
    async fn translate(
        &self,
        translator: &dyn Translator,
        Original { content, name }: &Original,
        language: &Language,
        spender: Spender<'_>,
    ) -> Result<Translated, Untranslated> {
        let names = [name.clone()];
        let parts = parts(content);
        let texts: Vec<_> = parts.iter().filter_map(Part::text).collect();
        if texts.len() > MAX_PARTS as usize {
            return Err(Untranslated { message: format!("the message has {} parts", texts.len()), retryable: false });
        }
        let translate = |text| {
            let assignment = Assignment { text, language, kind: TextKind::Message, spender };
            self.0.translate(translator, assignment, &names)
        };
        let mut translated = Vec::with_capacity(texts.len());
        for group in texts.chunks(PARTS_AT_ONCE) {
            // All of a group are waited for, so that the cost of each is told.
            for answer in join_all(group.iter().copied().map(translate)).await {
                translated.push(answer?);
            }
        }
        let provider = translated.last().map_or(NOBODY, |last| last.provider.as_str()).to_owned();
        let mut translated = translated.into_iter();
        let text = parts.into_iter().map(|part| match part {
            Part::Kept(text) => text.to_owned(),
            Part::Text(_) => translated.next().unwrap_or_default().text,
        });
        Ok(Translated { text: text.collect(), provider })
    }
}

impl Job for MessageTranslation {
    const KIND: &'static str = TranslateMessage::KIND;
    type Payload = TranslateMessage;

    fn settings(&self) -> Settings {
        Settings {
            weight: 8,
            concurrency: 4,
            retry: RetryPolicy::doubling(Some(ATTEMPTS), RETRY_BASE, RETRY_CAP),
            time_limit: self.0.time_limit() * MAX_PARTS.div_ceil(PARTS_AT_ONCE as u32) + Duration::from_secs(5),
            kept: Duration::ZERO,
            dead_letter_kept: Some(Duration::from_hours(1)),
        }
    }

    async fn run(&self, wanted: TranslateMessage, context: &Context) -> Result<Outcome, JobError> {
        let Some(language) = languages::find(&wanted.language) else {
            return Ok(Outcome::Fail { error: format!("'{}' is no language that is known", wanted.language) });
        };
        if messages::find(&context.pool, wanted.message_id, &wanted.language).await?.is_some() {
            return Ok(Outcome::DONE);
        }
        let Some(original) = messages::original(&context.pool, &wanted).await? else {
            return Ok(Outcome::DONE);
        };
        let Some(translator) = self.0.current() else { return Ok(untranslated("nobody translates here")) };
        let spender = Spender { user: wanted.user_id, tier: &wanted.tier, persona: wanted.persona_id };
        match self.translate(translator.as_ref(), &original, language, spender).await {
            Ok(Translated { text, provider }) => {
                messages::store(&context.pool, &wanted, &text, &provider).await?;
                Ok(Outcome::DONE)
            }
            Err(failed) => Ok(untranslated(&failed.to_string())),
        }
    }

    async fn give_up(&self, _: TranslateMessage, _: &Context, error: &str) -> Result<Outcome, JobError> {
        Ok(untranslated(error))
    }
}
