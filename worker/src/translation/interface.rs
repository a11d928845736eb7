//! Texts of the interface, for everybody.

use std::time::Duration;

use troupe_core::{
    jobs::{Payload, TranslateText},
    languages,
};
use troupe_db::translations::interface as translations;

use super::{ATTEMPTS, RETRY_BASE, RETRY_CAP, Translators, untranslated};
use crate::{
    money::Spender,
    providers::{Assignment, TextKind, Translated},
    work::{Context, Job, JobError, Outcome, RetryPolicy, Settings},
};

/// The kind of job.
pub(crate) struct InterfaceTranslation(pub(crate) Translators);

impl Job for InterfaceTranslation {
    const KIND: &'static str = TranslateText::KIND;
    type Payload = TranslateText;

    fn settings(&self) -> Settings {
        Settings {
            weight: 4,
            concurrency: 4,
            retry: RetryPolicy::doubling(Some(ATTEMPTS), RETRY_BASE, RETRY_CAP),
            time_limit: self.0.time_limit() + Duration::from_secs(5),
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
        let Some(translator) = self.0.current() else { return Ok(untranslated("nobody translates here")) };
        let assignment =
            Assignment { text: &wanted.source, language, kind: TextKind::Interface, spender: Spender::SERVICE };
        match self.0.translate(translator.as_ref(), assignment, &wanted.names).await {
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
