//! Revoked credentials: signing out, or being signed out, takes effect on every server within seconds.
//!
//! Access tokens are verified without a lookup, so each server keeps what was revoked lately in memory, and polls
//! PostgreSQL for what other servers have revoked. Connections of revoked credentials end as soon as it is known here.

use std::{collections::HashSet, sync::Arc, time::Duration};

use parking_lot::RwLock;
use sqlx::PgPool;
use tokio::time::{MissedTickBehavior, interval};
use troupe_core::{ids::CredentialId, lifecycle::Tasks};
use troupe_db::{accounts::sign_ins, with_response_timeout};

const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// Kept beyond the lifetime of an access token, for calls that were verified just before its end.
const RETENTION_MARGIN: Duration = Duration::from_mins(5);

/// Called with revoked credentials as soon as this server knows of them.
pub(crate) type OnRevoked = Arc<dyn Fn(&[CredentialId]) + Send + Sync>;

#[derive(Clone)]
pub(crate) struct RevokedCredentials {
    ids: Arc<RwLock<HashSet<CredentialId>>>,
    on_revoked: OnRevoked,
}

impl RevokedCredentials {
    /// Keeps them for as long as an access token can live.
    pub(crate) async fn start(
        pool: PgPool,
        on_revoked: OnRevoked,
        token_ttl: Duration,
        tasks: &Tasks,
    ) -> Result<Self, sqlx::Error> {
        let revoked = Self { ids: Arc::default(), on_revoked };
        let retention = token_ttl + RETENTION_MARGIN;
        revoked.replace(sign_ins::revoked_since(&pool, retention).await?);
        let polled = revoked.clone();
        let shutdown = tasks.shutdown().clone();
        tasks.spawn(async move {
            let mut ticks = interval(POLL_INTERVAL);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
                match with_response_timeout(sign_ins::revoked_since(&pool, retention)).await {
                    Ok(ids) => polled.replace(ids),
                    Err(error) => tracing::debug!(%error, "revoked credentials could not be polled; known ones stay"),
                }
            }
        });
        Ok(revoked)
    }

    pub(crate) fn is_revoked(&self, id: CredentialId) -> bool {
        self.ids.read().contains(&id)
    }

    /// Revoked by this server, a moment ago.
    pub(crate) fn add(&self, ids: &[CredentialId]) {
        self.ids.write().extend(ids);
        (self.on_revoked)(ids);
    }

    fn replace(&self, ids: Vec<CredentialId>) {
        (self.on_revoked)(&ids);
        *self.ids.write() = ids.into_iter().collect();
    }
}
