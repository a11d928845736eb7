//! E-mails with a link: the account is looked up, the link made and sent, all of it here.
//!
//! An account has one link of a purpose. An attempt that follows another puts a link of its own in the place of the one
//! that may not have arrived; where the account has another link by then, or needs none any more, nothing more is sent.

use std::{marker::PhantomData, sync::Arc, time::Duration};

use sqlx::PgConnection;
use troupe_core::{
    config::Config,
    ids::UserId,
    jobs::LinkRequest,
    one_time_link::{LinkPurpose, OneTimeLink},
};
use troupe_db::{accounts::passwords::Addressee, jobs::lease};

use super::{Email, Mailer, NotSent};
use crate::work::{Context, Job, JobError, Outcome, RetryPolicy, Settings, job::held};

/// Beside the delivery itself.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// Servers that ask for another try mean minutes: each pause is so many times as long as the one before.
const RETRY_FACTOR: u32 = 4;
const RETRY_CAP: Duration = Duration::from_hours(1);
const DEAD_LETTER_KEPT: Duration = Duration::from_hours(7 * 24);

/// What is different between links of different purposes.
pub(crate) trait Link: Send + Sync + 'static {
    /// Of the jobs whose payload is a [`LinkRequest`].
    const KIND: &'static str;
    const PURPOSE: LinkPurpose;

    fn ttl(config: &Config) -> Duration;

    /// Makes this the link of the account with this address; `None` where there is nobody to be written to.
    fn make(
        db: &mut PgConnection,
        email: &str,
        digest: &[u8],
        config: &Config,
    ) -> impl Future<Output = sqlx::Result<Option<Addressee>>> + Send;

    /// Puts this link in the place of an earlier attempt's; `None` where that is not the account's link any more.
    fn replace(
        db: &mut PgConnection,
        user: UserId,
        before: &[u8],
        digest: &[u8],
        config: &Config,
    ) -> impl Future<Output = sqlx::Result<Option<Addressee>>> + Send;

    /// The subject and the text. Nothing of the user's own choice is in them: anybody can open an account in anybody's
    /// name.
    fn text(address: &str, ttl: Duration) -> (&'static str, String);
}

/// The kind of job.
pub(crate) struct LinkEmail<L> {
    mailer: Arc<dyn Mailer>,
    config: Config,
    of: PhantomData<L>,
}

impl<L: Link> LinkEmail<L> {
    pub(crate) fn new(mailer: Arc<dyn Mailer>, config: Config) -> Self {
        Self { mailer, config, of: PhantomData }
    }

    /// Makes the account's link, and notes with it that it is this job's.
    async fn make(
        &self,
        request: LinkRequest,
        link: &OneTimeLink,
        context: &Context,
    ) -> Result<Option<Addressee>, JobError> {
        let mut transaction = context.pool.begin().await?;
        let made = match (request, context.user) {
            (LinkRequest { link: Some(before), .. }, Some(user)) => {
                let before = decoded(&before).ok_or_else(|| JobError::failed("the link before is unreadable"))?;
                L::replace(&mut transaction, user, &before, &link.digest, &self.config).await?
            }
            (LinkRequest { email: Some(email), .. }, _) => {
                L::make(&mut transaction, &email, &link.digest, &self.config).await?
            }
            // The account is gone.
            _ => None,
        };
        if let Some(addressee) = &made {
            let now = LinkRequest { email: None, link: Some(encoded(&link.digest)) };
            let now = serde_json::to_value(now).map_err(JobError::failed)?;
            held(lease::assign(&mut *transaction, context.lease, addressee.id, &now).await?)?;
        }
        transaction.commit().await?;
        Ok(made)
    }
}

impl<L: Link> Job for LinkEmail<L> {
    const KIND: &'static str = L::KIND;
    type Payload = LinkRequest;

    fn settings(&self) -> Settings {
        let mail = &self.config.mail;
        Settings {
            weight: 8,
            concurrency: 4,
            retry: RetryPolicy {
                attempts: Some(mail.tries),
                base: mail.retry_base,
                factor: RETRY_FACTOR,
                cap: RETRY_CAP.max(mail.retry_base),
            },
            time_limit: mail.timeout + TIME_LIMIT,
            kept: Duration::ZERO,
            dead_letter_kept: Some(DEAD_LETTER_KEPT),
        }
    }

    async fn run(&self, request: LinkRequest, context: &Context) -> Result<Outcome, JobError> {
        // Before the link is made: the one of an earlier attempt, which may have arrived, works until there is another.
        if let Some(after) = self.mailer.unavailable_for() {
            return Ok(Outcome::Retry { after });
        }
        let link = OneTimeLink::new(&self.config, L::PURPOSE).map_err(JobError::failed)?;
        let Some(Addressee { id: user, email: to }) = self.make(request, &link, context).await? else {
            return Ok(Outcome::DONE);
        };
        let (subject, text) = L::text(&link.address, L::ttl(&self.config));
        match self.mailer.send(&Email { user, to, subject: subject.to_owned(), text }).await {
            Ok(()) => {
                tracing::info!(user_id = %user, kind = Self::KIND, "an e-mail was sent");
                Ok(Outcome::DONE)
            }
            Err(NotSent::BreakerOpen(open)) => Ok(Outcome::Retry { after: open.retry_after }),
            Err(error @ NotSent::Failed(_)) => Err(JobError::failed(error)),
            Err(error @ NotSent::Refused(_)) => Ok(Outcome::Fail { error: error.to_string() }),
        }
    }
}

fn encoded(digest: &[u8]) -> String {
    digest.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

fn decoded(hex: &str) -> Option<Vec<u8>> {
    let byte = |at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    (0..hex.len()).step_by(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_as_it_was_written() {
        let digest: Vec<u8> = (0..=255).collect();
        assert_eq!(decoded(&encoded(&digest)), Some(digest));
        assert_eq!((decoded("0"), decoded("zz"), decoded("é1")), (None, None, None));
    }
}
