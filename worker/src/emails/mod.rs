//! E-mails to users. Each is a job: what was asked for is sent, whoever dies meanwhile, and at worst twice.
//!
//! Nothing that is a key is stored: a job names its addressee, and the link in an e-mail is made when that is sent.

mod log;
mod password_reset;
mod smtp;

use std::sync::Arc;

use async_trait::async_trait;
use troupe_core::{config::Live, ids::UserId};

use self::{log::LogMailer, smtp::SmtpMailer};

pub(crate) use password_reset::PasswordReset;

/// An e-mail. It may hold a link that is a key: nothing of it is logged, but for development.
pub(crate) struct Email {
    pub(crate) user: UserId,
    pub(crate) to: String,
    pub(crate) subject: String,
    pub(crate) text: String,
}

/// An e-mail did not go out.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub(crate) struct NotSent {
    /// Whether another try may help.
    pub(crate) again: bool,
    pub(crate) why: String,
}

/// Brings e-mails to their addressees.
#[async_trait]
pub(crate) trait Mailer: Send + Sync {
    async fn send(&self, email: &Email) -> Result<(), NotSent>;
}

/// The mailer of this configuration; `None` where none is set up.
pub(crate) fn mailer(live: &Live) -> anyhow::Result<Option<Arc<dyn Mailer>>> {
    if live.now().mail.to_log {
        tracing::warn!("e-mails are logged with the links in them (mail.to_log): for development only");
        return Ok(Some(Arc::new(LogMailer)));
    }
    Ok(SmtpMailer::from_config(live)?.map(|mailer| Arc::new(mailer) as Arc<dyn Mailer>))
}
