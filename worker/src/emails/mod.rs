//! E-mails to users. Each is a job: delivered at least once, even if a worker dies.
//!
//! No secret is stored: a job has the addressee only, and the link is created when the e-mail is sent.

mod log;
mod password_reset;
mod smtp;

use std::sync::Arc;

use async_trait::async_trait;
use troupe_core::{config::Live, ids::UserId};

use self::{log::LogMailer, smtp::SmtpMailer};

pub(crate) use password_reset::PasswordReset;

/// An e-mail. It may contain a link that is a credential, so it is not logged, except for development.
pub(crate) struct Email {
    pub(crate) user: UserId,
    pub(crate) to: String,
    pub(crate) subject: String,
    pub(crate) text: String,
}

/// A failed delivery.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub(crate) struct NotSent {
    /// Whether it is retryable.
    pub(crate) again: bool,
    pub(crate) why: String,
}

/// Delivers e-mails.
#[async_trait]
pub(crate) trait Mailer: Send + Sync {
    async fn send(&self, email: &Email) -> Result<(), NotSent>;
}

/// The configured mailer, if there is one.
pub(crate) fn mailer(live: &Live) -> anyhow::Result<Option<Arc<dyn Mailer>>> {
    if live.now().mail.to_log {
        tracing::warn!("e-mails are logged with the links in them (mail.to_log): for development only");
        return Ok(Some(Arc::new(LogMailer)));
    }
    Ok(SmtpMailer::from_config(live)?.map(|mailer| Arc::new(mailer) as Arc<dyn Mailer>))
}
