//! Credentials that ended before their time: whoever signs out, or is signed out, is out everywhere within seconds.
//!
//! Access tokens are verified without asking anybody, so each server keeps what has ended lately in memory, and reads what
//! other servers have ended from PostgreSQL. Sockets are closed as soon as it is known.

use std::{collections::HashSet, sync::Arc, time::Duration};

use parking_lot::RwLock;
use sqlx::PgPool;
use tokio::time::{MissedTickBehavior, interval};
use troupe_core::{ids::CredentialId, lifecycle::Tasks};
use troupe_db::accounts::sign_ins;

use crate::live::connections::Sessions;

/// How often other servers' news are read.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// What was verified a moment before its end is still under way.
const MARGIN: Duration = Duration::from_mins(5);

#[derive(Clone)]
pub(crate) struct Endings {
    ended: Arc<RwLock<HashSet<CredentialId>>>,
    sockets: Sessions,
}

impl Endings {
    /// Remembers for as long as an access token can live.
    pub(crate) async fn start(
        pool: PgPool,
        sockets: Sessions,
        token_ttl: Duration,
        tasks: &Tasks,
    ) -> Result<Self, sqlx::Error> {
        let endings = Self { ended: Arc::default(), sockets };
        let remembered = token_ttl + MARGIN;
        endings.replace(sign_ins::ended_within(&pool, remembered).await?);
        let (looking, shutdown) = (endings.clone(), tasks.shutdown().clone());
        tasks.spawn(async move {
            let mut looks = interval(LOOK_INTERVAL);
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while shutdown.run_until_cancelled(looks.tick()).await.is_some() {
                match sign_ins::ended_within(&pool, remembered).await {
                    Ok(ended) => looking.replace(ended),
                    Err(error) => tracing::debug!(%error, "could not look what has ended; what was known stays"),
                }
            }
        });
        Ok(endings)
    }

    pub(crate) fn has(&self, id: CredentialId) -> bool {
        self.ended.read().contains(&id)
    }

    /// Ended here, a moment ago.
    pub(crate) fn add(&self, ids: &[CredentialId]) {
        self.ended.write().extend(ids);
        self.sockets.end(ids);
    }

    fn replace(&self, ended: Vec<CredentialId>) {
        self.sockets.end(&ended);
        *self.ended.write() = ended.into_iter().collect();
    }
}
