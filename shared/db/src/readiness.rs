//! Whether PostgreSQL answers, over a connection of its own.
//!
//! A busy pool must not look like a database that is away: a replica would be taken out of service for having much to
//! do, and its calls would go to the others. The connection is made when it is first needed, and again after a failure.

use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout_at},
};
use troupe_core::config::Live;

use crate::{ConnectError, options};

/// A lazily reconnecting connection. Checks that come at the same time share it, one after the other.
pub struct ReadinessProbe {
    live: Live,
    application: &'static str,
    connection: Mutex<Option<PgConnection>>,
}

#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    #[error("PostgreSQL did not answer within {0:?}")]
    TimedOut(Duration),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("PostgreSQL failed to answer: {0}")]
    Query(#[from] sqlx::Error),
}

impl ReadinessProbe {
    pub fn new(live: Live, application: &'static str) -> Self {
        Self { live, application, connection: Mutex::default() }
    }

    /// Runs one statement, within this time with all waits. A connection that has broken since the last check is
    /// replaced at once: its break does not mean that the database is away now.
    pub async fn check(&self, limit: Duration) -> Result<(), NotReady> {
        let start = Instant::now();
        let check = async {
            let mut kept = self.connection.lock().await;
            // Taken out, so that a connection which did not answer in time is not used again.
            if let Some(mut connection) = kept.take()
                && let Ok(Ok(())) = timeout_at(start + limit / 2, answers(&mut connection)).await
            {
                *kept = Some(connection);
                return Ok(());
            }
            let mut connection = self.connect().await?;
            answers(&mut connection).await?;
            *kept = Some(connection);
            Ok(())
        };
        timeout_at(start + limit, check).await.unwrap_or(Err(NotReady::TimedOut(limit)))
    }

    /// With the user and the password of the moment.
    async fn connect(&self) -> Result<PgConnection, NotReady> {
        let options = options(&self.live.now().database, self.application)?;
        Ok(PgConnection::connect_with(&options).await.map_err(ConnectError::Connect)?)
    }
}

async fn answers(connection: &mut PgConnection) -> sqlx::Result<()> {
    // Not `ping`, which a server that is shutting down may still answer.
    sqlx::query("select 1").execute(connection).await.map(drop)
}
