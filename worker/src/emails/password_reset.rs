//! The link by which a new password is set: the account is looked up, the link made and sent, all of it here.
//!
//! An account has one link. An attempt that follows another puts a link of its own in the place of the one that may not
//! have arrived; where the account has another link by then, or a password was set, nothing more is sent.

use std::{sync::Arc, time::Duration};

use troupe_core::{
    config::Config,
    jobs::{Payload, SendPasswordReset},
    password_link::PasswordLink,
};
use troupe_db::{
    accounts::passwords::{self, Addressee},
    jobs::lease,
};

use super::{Email, Mailer, NotSent};
use crate::work::{Context, Job, JobError, Outcome, RetryPolicy, Settings, job::held};

/// Beside the delivery itself.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// Servers that ask for another try mean minutes: each pause is so many times as long as the one before.
const RETRY_FACTOR: u32 = 4;
const RETRY_CAP: Duration = Duration::from_hours(1);
const DEAD_LETTER_KEPT: Duration = Duration::from_hours(7 * 24);

/// The kind of job.
pub(crate) struct PasswordReset {
    pub(crate) mailer: Arc<dyn Mailer>,
    pub(crate) config: Config,
}

impl Job for PasswordReset {
    const KIND: &'static str = SendPasswordReset::KIND;
    type Payload = SendPasswordReset;

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

    async fn run(&self, payload: SendPasswordReset, context: &Context) -> Result<Outcome, JobError> {
        // Before the link is made: the one of an earlier attempt, which may have arrived, works until there is another.
        if let Some(after) = self.mailer.unavailable_for() {
            return Ok(Outcome::Retry { after });
        }
        let link = PasswordLink::new(&self.config).map_err(JobError::failed)?;
        let Some(addressee) = self.make(&payload, &link, context).await? else { return Ok(Outcome::DONE) };
        let user_id = addressee.id;
        match self.mailer.send(&self.email(addressee, &link)).await {
            Ok(()) => {
                tracing::info!(%user_id, "an e-mail was sent");
                Ok(Outcome::DONE)
            }
            Err(NotSent::BreakerOpen(open)) => Ok(Outcome::Retry { after: open.retry_after }),
            Err(error @ NotSent::Failed(_)) => Err(JobError::failed(error)),
            Err(error @ NotSent::Refused(_)) => Ok(Outcome::Fail { error: error.to_string() }),
        }
    }
}

impl PasswordReset {
    /// Makes the account's link, and notes with it that it is this job's; `None` where there is nobody to be written
    /// to.
    async fn make(
        &self,
        payload: &SendPasswordReset,
        link: &PasswordLink,
        context: &Context,
    ) -> Result<Option<Addressee>, JobError> {
        let auth = &self.config.auth;
        let mut transaction = context.pool.begin().await?;
        let made = match (payload, context.user) {
            (SendPasswordReset { link: Some(before), .. }, Some(user)) => {
                let before = decoded(before).ok_or_else(|| JobError::failed("the link before is unreadable"))?;
                passwords::replace_link(&mut *transaction, user, &before, &link.digest, auth.reset_ttl).await?
            }
            (SendPasswordReset { email: Some(email), .. }, _) => {
                let interval = auth.reset_interval;
                passwords::make_link(&mut *transaction, email, &link.digest, auth.reset_ttl, interval).await?
            }
            // The account is gone.
            _ => None,
        };
        if let Some(addressee) = &made {
            let now = SendPasswordReset { email: None, link: Some(encoded(&link.digest)) };
            let now = serde_json::to_value(now).map_err(JobError::failed)?;
            held(lease::assign(&mut *transaction, context.lease, addressee.id, &now).await?)?;
        }
        transaction.commit().await?;
        Ok(made)
    }

    /// Nothing of the user's own choice is in it: anybody can open an account in anybody's name.
    fn email(&self, to: Addressee, link: &PasswordLink) -> Email {
        Email {
            user: to.id,
            to: to.email,
            subject: "A new password for Troupe".to_owned(),
            text: format!(
                "Hello,\n\nsomebody, probably you, asked for a new password for the account with this address. Set it \
                 here:\n\n{}\n\nThe link works once, and for {}. If it was not you, you need not do anything: your password \
                 stays as it is.\n",
                link.address,
                humantime::format_duration(self.config.auth.reset_ttl),
            ),
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
