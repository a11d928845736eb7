//! E-mails to users. Each is a job: delivered at least once, even if a worker dies.
//!
//! No secret is stored: a job has the addressee only, and the link is created when the e-mail is sent.

mod breaker;
mod email_verification;
mod link;
mod log;
mod password_reset;
mod smtp;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use troupe_core::{adapters::service_breaker::BreakerOpen, clock::Clock, config::Live, ids::UserId};

use self::{breaker::BreakerMailer, log::LogMailer, smtp::SmtpMailer};

pub(crate) use self::{email_verification::EmailVerification, link::LinkEmail, password_reset::PasswordReset};

/// An e-mail. It may contain a link that is a credential, so it is not logged, except for development.
pub(crate) struct Email {
    pub(crate) user: UserId,
    pub(crate) to: String,
    pub(crate) subject: String,
    pub(crate) text: String,
}

/// A failed delivery.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum NotSent {
    /// Not retryable: the e-mail is invalid, or the mail server refuses it.
    #[error("{0}")]
    Refused(String),
    /// The mail server fails, or defers it.
    #[error("{0}")]
    Failed(String),
    /// The mail server is not called at present.
    #[error("{0}")]
    BreakerOpen(BreakerOpen),
}

/// Delivers e-mails.
#[async_trait]
pub(crate) trait Mailer: Send + Sync {
    async fn send(&self, email: &Email) -> Result<(), NotSent>;

    /// How long it sends nothing, where that is known before.
    fn unavailable_for(&self) -> Option<Duration> {
        None
    }
}

/// The configured mailer, if there is one.
pub(crate) fn mailer(live: &Live, clock: Arc<dyn Clock>) -> anyhow::Result<Option<Arc<dyn Mailer>>> {
    let config = &live.now().mail;
    if config.to_log {
        tracing::warn!("e-mails are logged with the links in them (mail.to_log): for development only");
        return Ok(Some(Arc::new(LogMailer)));
    }
    let smtp = SmtpMailer::from_config(live)?;
    Ok(smtp.map(|smtp| Arc::new(BreakerMailer::new(smtp, config.into(), clock)) as Arc<dyn Mailer>))
}
