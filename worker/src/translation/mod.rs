//! Texts of the interface in other languages: each is a job, which leaves its translation for all servers.
//!
//! What must not be translated is taken out before ([`protection`]), and has to be in the answer. An answer without it,
//! or a call that fails, is asked for once more; then nothing is stored, and the source is shown.

mod protection;

use std::time::Duration;

use tokio::time::timeout;
use troupe_core::{
    config::{Live, TranslationProvider},
    jobs::{Payload, TranslateText},
    languages::{self, Language},
};
use troupe_db::translations;

use self::protection::Protected;
use crate::{
    providers::{ChainTranslator, DeepL, LibreTranslate, Translated, Translator, Untranslated, http_client},
    work::{Context, Job, JobError, Outcome, RetryPolicy, Settings},
};

/// Calls for one text.
const CALLS: u32 = 2;
/// Attempts that are lost with their workers are made again; all others end the job.
const ATTEMPTS: u32 = 2;
const RETRY_BASE: Duration = Duration::from_millis(200);
const RETRY_CAP: Duration = Duration::from_secs(1);

/// The kind of job.
pub(crate) struct Translation {
    live: Live,
    client: reqwest::Client,
    chain: ChainTranslator,
}

impl Translation {
    pub(crate) fn new(live: Live, chain: ChainTranslator) -> reqwest::Result<Self> {
        let client = http_client(live.now().models.connect_timeout)?;
        Ok(Self { live, client, chain })
    }

    /// As configured now; `None` where nobody translates.
    fn translator(&self) -> Option<Box<dyn Translator>> {
        let config = self.live.now();
        let settings = &config.translation;
        let url = settings.url.as_ref().map(url::Url::as_str);
        match settings.provider {
            TranslationProvider::Off => None,
            TranslationProvider::Chain => Some(Box::new(self.chain.clone())),
            TranslationProvider::LibreTranslate => {
                Some(Box::new(LibreTranslate::new(self.client.clone(), url?, settings.key.as_ref())))
            }
            TranslationProvider::DeepL => Some(Box::new(DeepL::new(self.client.clone(), url, settings.key.clone()?))),
        }
    }

    async fn translate(
        &self,
        translator: &dyn Translator,
        wanted: &TranslateText,
        language: &Language,
    ) -> Result<Translated, Untranslated> {
        let protected = Protected::new(&wanted.source, &wanted.names, language.script);
        let protected = protected.map_err(|refused| Untranslated { message: refused.to_string(), retryable: false })?;
        let limit = self.live.now().translation.timeout;
        let mut failed = Untranslated::silent(limit);
        for _ in 0..CALLS {
            let answer = timeout(limit, translator.translate(protected.text(), language)).await;
            let checked = answer.unwrap_or_else(|_| Err(Untranslated::silent(limit))).and_then(|answer| {
                let text = protected.restore(&answer.text);
                let refused =
                    |refused: protection::Refused| Untranslated { message: refused.to_string(), retryable: true };
                Ok(Translated { text: text.map_err(refused)?, ..answer })
            });
            match checked {
                Err(failure) if failure.retryable => failed = failure,
                result => return result,
            }
        }
        Err(failed)
    }
}

impl Job for Translation {
    const KIND: &'static str = TranslateText::KIND;
    type Payload = TranslateText;

    fn settings(&self) -> Settings {
        Settings {
            weight: 4,
            concurrency: 4,
            retry: RetryPolicy::doubling(Some(ATTEMPTS), RETRY_BASE, RETRY_CAP),
            time_limit: self.live.now().translation.timeout * CALLS + Duration::from_secs(5),
            kept: Duration::ZERO,
            dead_letter_kept: Some(Duration::from_hours(1)),
        }
    }

    async fn run(&self, wanted: TranslateText, context: &Context) -> Result<Outcome, JobError> {
        let Some(language) = languages::find(&wanted.language) else {
            return Ok(Outcome::Fail { error: format!("'{}' is no language that is known", wanted.language) });
        };
        // Whoever asked just after an earlier job had ended began another.
        if translations::find(&context.pool, &wanted).await?.is_some() {
            return Ok(Outcome::DONE);
        }
        let Some(translator) = self.translator() else { return Ok(untranslated("nobody translates here")) };
        match self.translate(translator.as_ref(), &wanted, language).await {
            Ok(Translated { text, provider }) => {
                translations::store(&context.pool, &wanted, &text, &provider).await?;
                Ok(Outcome::DONE)
            }
            Err(failed) => Ok(untranslated(&failed.to_string())),
        }
    }

    async fn give_up(&self, _: TranslateText, _: &Context, error: &str) -> Result<Outcome, JobError> {
        Ok(untranslated(error))
    }
}

/// Nothing that an admin has to look at: the source is shown, and the text is asked for again.
fn untranslated(error: &str) -> Outcome {
    tracing::warn!(error, "a text is not translated");
    Outcome::DONE
}
