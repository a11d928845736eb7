//! Which connections of a pool may be used again.
//!
//! A PostgreSQL that is cut off leaves connections that look alive. The first sign is a statement that was given up and
//! is still not answered: its connection is closed, and those that have been idle since before are tested before they
//! are used. After a failed test, and after a failover, all of that age are closed. Without such a sign no connection
//! is tested: that would be a round trip per statement.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sqlx::{Connection, PgConnection, Postgres, pool::PoolOptions, postgres::PgPoolOptions};
use tokio::time::{Instant, timeout};

use crate::{primary, response_timeout::unanswered};

/// How long a statement whose caller has gone may take to its end, until its connection is closed.
const CANCELLED_TIMEOUT: Duration = Duration::from_secs(1);
const TEST_TIMEOUT: Duration = Duration::from_secs(1);

pub(crate) struct Connections {
    epoch: Instant,
    /// Moments, in microseconds since the epoch; 0 for none. Idle connections of before are tested.
    suspect: AtomicU64,
    /// Connections that were idle before are closed.
    dead: AtomicU64,
    /// Connections that were opened before are closed: they lead to the primary of before.
    left: AtomicU64,
}

impl Connections {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { epoch: Instant::now(), suspect: 0.into(), dead: 0.into(), left: 0.into() })
    }

    /// Opens no connection to a server that is read-only, where the URL asks for that.
    pub(crate) fn guard(self: &Arc<Self>, options: PgPoolOptions, writable: bool) -> PoolOptions<Postgres> {
        let (acquired, released) = (self.clone(), self.clone());
        let options = options
            .before_acquire(move |connection, age| {
                let connections = acquired.clone();
                Box::pin(async move { Ok(connections.is_usable(connection, age.age, age.idle_for).await) })
            })
            .after_release(move |connection, age| {
                let connections = released.clone();
                Box::pin(async move {
                    connections.finish_cancelled(connection).await?;
                    Ok(!connections.is_before(&connections.left, age.age))
                })
            });
        if !writable {
            return options;
        }
        options.after_connect(|connection, _| {
            Box::pin(async move {
                let writable = primary::is_writable(connection).await?;
                writable.then_some(()).ok_or_else(|| unanswered("this PostgreSQL is read-only".to_owned()))
            })
        })
    }

    /// After a failover.
    pub(crate) fn leave_all(&self) {
        self.mark(&self.left);
    }

    async fn is_usable(&self, connection: &mut PgConnection, age: Duration, idle: Duration) -> bool {
        if self.is_before(&self.left, age) || self.is_before(&self.dead, idle) {
            return false;
        }
        if !self.is_before(&self.suspect, idle) {
            return true;
        }
        let answered = matches!(timeout(TEST_TIMEOUT, connection.ping()).await, Ok(Ok(())));
        if !answered {
            tracing::warn!("PostgreSQL does not answer: the idle connections to it are closed");
            self.mark(&self.dead);
        }
        answered
    }

    /// Waits for the answer to what a cancelled caller has sent; without such a caller there is nothing to wait for,
    /// and nothing is sent. The pool itself would wait for ever, and hold the connection's place.
    async fn finish_cancelled(&self, connection: &mut PgConnection) -> sqlx::Result<()> {
        // Hidden in the documentation of sqlx: it reads until the server is ready for the next statement.
        if let Ok(flushed) = timeout(CANCELLED_TIMEOUT, connection.flush()).await {
            return flushed;
        }
        self.mark(&self.suspect);
        Err(unanswered("a statement that was given up has no answer yet".to_owned()))
    }

    fn mark(&self, moment: &AtomicU64) {
        moment.fetch_max(self.now(), Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Whether what began so long ago began before a moment.
    fn is_before(&self, moment: &AtomicU64, ago: Duration) -> bool {
        let moment = moment.load(Ordering::Relaxed);
        let ago = u64::try_from(ago.as_micros()).unwrap_or(u64::MAX);
        moment > 0 && self.now().saturating_sub(ago) <= moment
    }
}
