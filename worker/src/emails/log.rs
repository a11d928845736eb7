//! For development: logs e-mails, including their links.

use async_trait::async_trait;

use super::{Email, Mailer, NotSent};

pub(super) struct LogMailer;

#[async_trait]
impl Mailer for LogMailer {
    async fn send(&self, email: &Email) -> Result<(), NotSent> {
        let Email { user, to, subject, text } = email;
        tracing::info!(user_id = %user, to, subject, text, "an e-mail, as it would have gone out");
        Ok(())
    }
}
