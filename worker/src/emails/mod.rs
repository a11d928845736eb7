//! E-mails to users. Each is a job: what was asked for is sent, whoever dies meanwhile, and at worst twice.
//!
//! Nothing that is a key is stored: a job names its addressee, and the link in an e-mail is made when that is sent.

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

/// An e-mail. It may hold a link that is a key: nothing of it is logged, but for development.
pub(crate) struct Email {
    pub(crate) user: UserId,
    pub(crate) to: String,
    pub(crate) subject: String,
    pub(crate) text: String,
}

/// An e-mail did not go out.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum NotSent {
    /// No further attempt can help: it cannot be written, or the mail server does not take it.
    #[error("{0}")]
    Refused(String),
    /// The mail server fails, or asks for another attempt.
    #[error("{0}")]
    Failed(String),
    /// The mail server is not called at the moment.
    #[error("{0}")]
    BreakerOpen(BreakerOpen),
}

/// Brings e-mails to their addressees.
#[async_trait]
pub(crate) trait Mailer: Send + Sync {
    async fn send(&self, email: &Email) -> Result<(), NotSent>;

    /// How long it sends nothing, where that is known before.
    fn unavailable_for(&self) -> Option<Duration> {
        None
    }
}

/// The mailer of this configuration; `None` where none is set up.
pub(crate) fn mailer(live: &Live, clock: Arc<dyn Clock>) -> anyhow::Result<Option<Arc<dyn Mailer>>> {
    let config = &live.now().mail;
    if config.to_log {
        tracing::warn!("e-mails are logged with the links in them (mail.to_log): for development only");
        return Ok(Some(Arc::new(LogMailer)));
    }
    let smtp = SmtpMailer::from_config(live)?;
    Ok(smtp.map(|smtp| Arc::new(BreakerMailer::new(smtp, config.into(), clock)) as Arc<dyn Mailer>))
}
