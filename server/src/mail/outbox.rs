//! Letters that are under way. What is lost with the process is not sent: its addressee asks again.

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;
use troupe_core::{config, lifecycle::Tasks};

use super::{Letter, Mailer};
use crate::http::error::ApiError;

/// Letters that are written or handed over at the same time. One that waits for its next try is not among them.
const AT_ONCE: usize = 4;
/// How much longer each pause is than the one before: servers that ask for another try mean minutes.
const GROWTH: u32 = 4;

#[derive(Clone)]
pub(crate) struct Outbox {
    mailer: Option<Arc<dyn Mailer>>,
    /// For each letter that is under way.
    places: Arc<Semaphore>,
    lines: Arc<Semaphore>,
    tries: u32,
    retry_base: Duration,
    tasks: Tasks,
}

impl Outbox {
    pub(crate) fn new(mailer: Option<Arc<dyn Mailer>>, config: &config::Mail, tasks: &Tasks) -> Self {
        let (places, lines) = (Arc::new(Semaphore::new(config.queue)), Arc::new(Semaphore::new(AT_ONCE)));
        Self { mailer, places, lines, tries: config.tries, retry_base: config.retry_base, tasks: tasks.clone() }
    }

    /// Has a letter written and sent, if one is to be. The caller learns only whether there was room for it.
    pub(crate) fn post<W>(&self, writing: W) -> Result<(), ApiError>
    where
        W: Future<Output = Result<Option<Letter>, ApiError>> + Send + 'static,
    {
        let mailer = self.mailer.clone().ok_or_else(ApiError::mail_not_configured)?;
        let place = self.places.clone().try_acquire_owned().map_err(|_| ApiError::overloaded())?;
        let outbox = self.clone();
        self.tasks.spawn(async move {
            outbox.bring(writing, mailer.as_ref()).await;
            drop(place);
        });
        Ok(())
    }

    async fn bring(&self, writing: impl Future<Output = Result<Option<Letter>, ApiError>>, mailer: &dyn Mailer) {
        let written = {
            let _line = self.lines.acquire().await;
            writing.await
        };
        let letter = match written {
            Ok(Some(letter)) => letter,
            Ok(None) => return,
            Err(error) => return tracing::warn!(?error, "a letter could not be written"),
        };
        let mut pause = self.retry_base;
        for number in 1..=self.tries {
            let sent = {
                let _line = self.lines.acquire().await;
                mailer.send(&letter).await
            };
            let again = match sent {
                Ok(()) => return tracing::info!(user_id = %letter.user, tries = number, "a letter was sent"),
                Err(error) => {
                    tracing::warn!(user_id = %letter.user, %error, tries = number, "a letter was not sent");
                    error.again && number < self.tries
                }
            };
            let waited = tokio::time::sleep(pause);
            if !again || self.tasks.shutdown().run_until_cancelled(waited).await.is_none() {
                return tracing::error!(user_id = %letter.user, "a letter was given up");
            }
            pause = pause.saturating_mul(GROWTH);
        }
    }
}
