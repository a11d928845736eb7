//! Readiness of PostgreSQL, over a separate connection.
//!
//! A busy pool must not fail the check: a loaded replica would be taken out of service, and its load moved to the
//! others. The connection is made at the first check, and again after a failure.

use std::time::Duration;

use sqlx::PgConnection;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout_at},
};
use troupe_core::config::Live;

use crate::{ConnectError, primary::Servers};

/// A lazily reconnecting connection. Concurrent checks take turns.
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

    /// Runs one statement, with a timeout for everything. A connection that broke since the last check is replaced at
    /// once.
    pub async fn check(&self, limit: Duration) -> Result<(), NotReady> {
        let start = Instant::now();
        let check = async {
            let mut kept = self.connection.lock().await;
            // Taken out of the mutex, so that a connection that times out is not reused.
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

    /// To the server that takes writes, with the current credentials.
    async fn connect(&self) -> Result<PgConnection, NotReady> {
        let mut servers = Servers::new(&self.live.now().database, self.application)?;
        Ok(servers.connect().await.map_err(ConnectError::Connect)?)
    }
}

async fn answers(connection: &mut PgConnection) -> sqlx::Result<()> {
    // Not `ping`, which a server may still answer while it shuts down.
    sqlx::query("select 1").execute(connection).await.map(drop)
}
