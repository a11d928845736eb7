//! Catalogues of the pages, for everybody: their texts go to the translator some at a time, and what comes back is
//! stored at once. A catalogue that is not finished is gone on with by the next job.

use std::time::Duration;

use troupe_core::{
    jobs::{Payload, TranslateCatalogue, TranslateText},
    languages::{self, Language},
};
use troupe_db::translations::interface as translations;

use super::{Translators, batch::Batch, untranslated};
use crate::{
    money::Spender,
    providers::{Assignment, TextKind, Translated, Translator, Untranslated},
    work::{Context, Job, JobError, Outcome, RetryPolicy, Settings},
};

/// In one call.
const BATCH_TEXTS: usize = 20;
const BATCH_BYTES: usize = 1_200;
/// A batch whose translation is refused is halved, and its halves come after all others: a text that cannot be
/// translated keeps none from it. A service that fails so often in a row is left alone.
const FAILURES: u32 = 4;
/// Then the lease is another's: what is stored by then stays.
const TIME_LIMIT: Duration = Duration::from_mins(15);
const ATTEMPTS: u32 = 3;
const RETRY_BASE: Duration = Duration::from_secs(1);
const RETRY_CAP: Duration = Duration::from_secs(10);

/// The kind of job.
pub(crate) struct CatalogueTranslation(pub(crate) Translators);

impl CatalogueTranslation {
    async fn translate(
        &self,
        translator: &dyn Translator,
        batch: &Batch<'_>,
        language: &Language,
    ) -> Result<(Vec<String>, String), Untranslated> {
        let text = batch.text();
        let assignment = Assignment { text: &text, language, kind: TextKind::Interface, spender: Spender::SERVICE };
        let Translated { text, provider } = self.0.translate(translator, assignment, &[]).await?;
        let torn = || Untranslated { message: "the texts of a batch were mixed up".to_owned(), retryable: false };
        Ok((batch.split(&text).ok_or_else(torn)?, provider))
    }

    /// Stores what can be translated; returns what the last failure was, if it was given up.
    async fn translate_all(
        &self,
        context: &Context,
        texts: &[TranslateText],
        language: &Language,
    ) -> Result<Option<Untranslated>, JobError> {
        let mut batches = Batch::all(texts, BATCH_TEXTS, BATCH_BYTES);
        let mut failures = 0;
        while let Some(batch) = batches.pop_front() {
            let Some(translator) = self.0.current() else { return Ok(None) };
            match self.translate(translator.as_ref(), &batch, language).await {
                Ok((translated, provider)) => {
                    failures = 0;
                    for (wanted, text) in batch.texts().iter().zip(&translated) {
                        translations::store(&context.pool, wanted, text, &provider).await?;
                    }
                }
                Err(failed) => {
                    failures += 1;
                    if failures == FAILURES {
                        return Ok(Some(failed));
                    }
                    batches.extend(batch.halves());
                }
            }
        }
        Ok(None)
    }
}

impl Job for CatalogueTranslation {
    const KIND: &'static str = TranslateCatalogue::KIND;
    type Payload = TranslateCatalogue;

    fn settings(&self) -> Settings {
        Settings {
            weight: 2,
            concurrency: 2,
            retry: RetryPolicy::doubling(Some(ATTEMPTS), RETRY_BASE, RETRY_CAP),
            time_limit: TIME_LIMIT,
            kept: Duration::ZERO,
            dead_letter_kept: Some(Duration::from_hours(1)),
        }
    }

    async fn run(&self, wanted: TranslateCatalogue, context: &Context) -> Result<Outcome, JobError> {
        let Some(language) = languages::find(&wanted.language) else {
            return Ok(Outcome::Fail { error: format!("'{}' is no language that is known", wanted.language) });
        };
        let texts: Vec<_> = wanted.texts().collect();
        let found = translations::find_all(&context.pool, &wanted.language, &texts).await?;
        let missing: Vec<_> = texts.into_iter().filter(|text| !found.contains_key(&text.key)).collect();
        let given_up = self.translate_all(context, &missing, language).await?;
        Ok(given_up.map_or(Outcome::DONE, |failed| untranslated(&failed.to_string())))
    }

    async fn give_up(&self, _: TranslateCatalogue, _: &Context, error: &str) -> Result<Outcome, JobError> {
        Ok(untranslated(error))
    }
}
