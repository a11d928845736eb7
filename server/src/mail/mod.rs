//! Letters to users: written and sent off the path of the call that asks for them, with retries, and only so many at a time.
//!
//! What a call is answered must not depend on whether somebody is written to. So [`outbox::Outbox`] takes the writing of a letter too, and
//! an answer says no more than that there was room.

mod log;
pub(crate) mod outbox;
mod smtp;

use std::sync::Arc;

use async_trait::async_trait;
use troupe_core::{config::Live, ids::UserId};

use self::{log::LogMailer, smtp::SmtpMailer};

/// A letter. It may hold a link that is a key: nothing of it is logged, but for development.
pub(crate) struct Letter {
    pub(crate) user: UserId,
    pub(crate) to: String,
    pub(crate) subject: String,
    pub(crate) text: String,
}

/// A letter did not go out.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub(crate) struct NotSent {
    /// Whether another try may help.
    pub(crate) again: bool,
    pub(crate) why: String,
}

/// Whoever brings letters to their addressees.
#[async_trait]
pub(crate) trait Mailer: Send + Sync {
    async fn send(&self, letter: &Letter) -> Result<(), NotSent>;
}

/// Who brings the letters of this configuration; `None` where nobody is set up to.
pub(crate) fn from_config(live: &Live) -> anyhow::Result<Option<Arc<dyn Mailer>>> {
    if live.now().mail.to_log {
        tracing::warn!("letters are logged with the links in them (mail.to_log): for development only");
        return Ok(Some(Arc::new(LogMailer)));
    }
    Ok(SmtpMailer::from_config(live)?.map(|mailer| Arc::new(mailer) as Arc<dyn Mailer>))
}
