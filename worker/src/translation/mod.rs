//! Texts in other languages. Each is a job, which leaves its translation where all servers find it: texts of the
//! [`interface`] and its [`catalogues`], for everybody, and [`messages`], for their readers.
//!
//! What must not be translated is taken out before ([`protection`]), and has to be in the answer. An answer without it,
//! or a call that fails, is asked for once more; then nothing is stored, and the original stands.

mod batch;
pub(crate) mod catalogues;
pub(crate) mod interface;
pub(crate) mod messages;
mod parts;
mod protection;

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;
use troupe_core::config::{Live, TranslationProvider};

use self::protection::{Protected, Refused};
use crate::{
    providers::{
        Assignment, ChainTranslator, DeepL, LibreTranslate, Translated, Translator, Untranslated, http_client,
    },
    work::Outcome,
};

/// Calls for one text.
const CALLS: u32 = 2;
/// Attempts that are lost with their workers are made again; all others end the job.
const ATTEMPTS: u32 = 2;
const RETRY_BASE: Duration = Duration::from_millis(200);
const RETRY_CAP: Duration = Duration::from_secs(1);

/// Whoever translates, as configured at the moment.
#[derive(Clone)]
pub(crate) struct Translators {
    live: Live,
    client: reqwest::Client,
    chain: ChainTranslator,
}

impl Translators {
    pub(crate) fn new(live: Live, chain: ChainTranslator) -> reqwest::Result<Self> {
        let client = http_client(live.now().models.connect_timeout)?;
        Ok(Self { live, client, chain })
    }

    /// `None` where nobody translates.
    fn current(&self) -> Option<Arc<dyn Translator>> {
        let config = self.live.now();
        let settings = &config.translation;
        let url = settings.url.as_ref().map(url::Url::as_str);
        match settings.provider {
            TranslationProvider::Off => None,
            TranslationProvider::Chain => Some(Arc::new(self.chain.clone())),
            TranslationProvider::LibreTranslate => {
                Some(Arc::new(LibreTranslate::new(self.client.clone(), url?, settings.key.as_ref())))
            }
            TranslationProvider::DeepL => Some(Arc::new(DeepL::new(self.client.clone(), url, settings.key.clone()?))),
        }
    }

    /// How long a call may take.
    fn limit(&self) -> Duration {
        self.live.now().translation.timeout
    }

    /// The time that [`Self::translate`] takes at most.
    fn time_limit(&self) -> Duration {
        self.limit() * CALLS
    }

    /// The assignment's text, with what is protected in its place. `names` are transliterated.
    async fn translate(
        &self,
        translator: &dyn Translator,
        assignment: Assignment<'_>,
        names: &[String],
    ) -> Result<Translated, Untranslated> {
        let protected = Protected::new(assignment.text, names, assignment.language.script);
        let protected = protected.map_err(|refused| refused.into_untranslated(false))?;
        let assignment = Assignment { text: protected.text(), ..assignment };
        let limit = self.limit();
        let mut failed = Untranslated::silent(limit);
        for _ in 0..CALLS {
            let answer = timeout(limit, translator.translate(&assignment)).await;
            let checked = answer.unwrap_or_else(|_| Err(Untranslated::silent(limit))).and_then(|answer| {
                let text = protected.restore(&answer.text).map_err(|refused| refused.into_untranslated(true))?;
                Ok(Translated { text, ..answer })
            });
            match checked {
                Err(failure) if failure.retryable => failed = failure,
                result => return result,
            }
        }
        Err(failed)
    }
}

impl Refused {
    fn into_untranslated(self, retryable: bool) -> Untranslated {
        Untranslated { message: self.to_string(), retryable }
    }
}

/// Nothing that an admin has to look at: the original is shown, and the text may be asked for again.
fn untranslated(error: &str) -> Outcome {
    tracing::warn!(error, "a text is not translated");
    Outcome::DONE
}
