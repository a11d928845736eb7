//! Reads that may see the past, from a replica (`database.read_url`).
//!
//! How far it is behind is told by the primary's log: a look at the primary's position each second, and one at what the
//! replica has replayed. The replica's own clock would not do, since one that is cut off is up to date by it. While it
//! is too far behind, does not answer, or follows somebody else, reads go to the primary, as does one that it fails.

use std::{
    collections::VecDeque,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    Connection, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use troupe_core::config::{Config, Database};

use crate::{
    ConnectError,
    metrics::{self, POSTGRES, ReadLabel},
    with_response_timeout, with_settings,
};

const CHECK_INTERVAL: Duration = Duration::from_secs(1);
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// Where statements run that need not see what was written a moment ago.
#[derive(Clone)]
pub struct Reads {
    primary: PgPool,
    replica: Option<Replica>,
}

#[derive(Clone)]
struct Replica {
    pool: PgPool,
    usable: Arc<AtomicBool>,
}

impl Reads {
    /// With the replica of the configuration, if it has one, and what watches that. It is not used before it was looked
    /// at, and need not be there at the start.
    pub fn new(
        config: &Database,
        application: &str,
        primary: PgPool,
    ) -> Result<(Self, Option<ReplicaWatch>), ConnectError> {
        let Some(url) = &config.read_url else { return Ok((Self { primary, replica: None }, None)) };
        let application = format!("{application}-reads");
        let options = options(url, config, &application).map_err(ConnectError::Connect)?;
        let pool = PgPoolOptions::new()
            .max_connections(config.max_connections)
            .acquire_timeout(config.acquire_timeout)
            .connect_lazy_with(options);
        metrics::watch(&application, config.max_connections, &pool);
        let replica = Replica { pool, usable: Arc::default() };
        let watch =
            ReplicaWatch { primary: primary.clone(), replica: replica.clone(), config: config.clone(), application };
        Ok((Self { primary, replica: Some(replica) }, Some(watch)))
    }

    /// Runs statements on the replica where that will do, else, or if they fail there, on the primary.
    pub async fn run<'a, T, F>(&'a self, statements: impl Fn(&'a PgPool) -> F) -> sqlx::Result<T>
    where
        F: Future<Output = sqlx::Result<T>>,
    {
        if let Some(replica) = &self.replica {
            if replica.usable.load(Ordering::Relaxed) {
                match with_response_timeout(statements(&replica.pool)).await {
                    Err(error) => {
                        // Until it is looked at again, nobody else waits for it.
                        replica.usable.store(false, Ordering::Relaxed);
                        tracing::warn!(%error, "the replica is not read: a read has failed there");
                    }
                    result => {
                        count("replica");
                        return result;
                    }
                }
            }
            count("primary");
        }
        statements(&self.primary).await
    }

    pub async fn close(&self) {
        if let Some(replica) = &self.replica {
            replica.pool.close().await;
        }
    }
}

fn count(from: &'static str) {
    POSTGRES.reads.get_or_create(&ReadLabel { from }).inc();
}

fn options(url: &SecretString, config: &Database, application: &str) -> sqlx::Result<PgConnectOptions> {
    let options = PgConnectOptions::from_str(url.expose_secret())?;
    Ok(with_settings(options, config, application))
}

/// A connection to the replica that is not of the pool.
pub(crate) async fn connect_to_look(config: &Database, application: &str) -> sqlx::Result<PgConnection> {
    let Some(url) = &config.read_url else { return Err(sqlx::Error::Configuration("no database.read_url".into())) };
    PgConnection::connect_with(&options(url, config, application)?).await
}

/// Decides each second whether the replica may be read.
pub struct ReplicaWatch {
    primary: PgPool,
    replica: Replica,
    config: Database,
    application: String,
}

impl ReplicaWatch {
    pub async fn run(mut self, mut live: watch::Receiver<Arc<Config>>) {
        let mut checks = interval(CHECK_INTERVAL);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut positions = Positions::default();
        loop {
            tokio::select! {
                changed = live.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let config = live.borrow_and_update().database.clone();
                    self.apply_credentials(config);
                }
                _ = checks.tick() => self.check(&mut positions).await,
            }
        }
    }

    fn apply_credentials(&mut self, config: Database) {
        let Some(url) = &config.read_url else { return };
        if let Ok(options) = options(url, &config, &self.application) {
            self.replica.pool.set_connect_options(options);
            self.config = config;
        }
    }

    async fn check(&self, positions: &mut Positions) {
        let lag = timeout(CHECK_TIMEOUT, self.measure(positions)).await;
        let lag = lag.unwrap_or_else(|_| Err("it does not answer".to_owned()));
        POSTGRES.replica_lag.set(lag.as_ref().map_or(f64::INFINITY, Duration::as_secs_f64));
        let max = self.config.read_max_lag;
        let fault = match lag {
            Ok(lag) if lag <= max => None,
            Ok(lag) => Some(format!("it is {} s behind", lag.as_secs())),
            Err(fault) => Some(fault),
        };
        let was_usable = self.replica.usable.swap(fault.is_none(), Ordering::Relaxed);
        match fault {
            None if !was_usable => tracing::info!("reads that may lag go to the replica"),
            Some(fault) if was_usable => tracing::warn!(fault, "the replica is not read: the primary is"),
            _ => {}
        }
    }

    /// How old what the replica shows may be.
    async fn measure(&self, positions: &mut Positions) -> Result<Duration, String> {
        // The replica first: what it has replayed, the primary has written.
        let replayed: Option<i64> =
            sqlx::query_scalar("select (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint where pg_is_in_recovery()")
                .fetch_optional(&self.replica.pool)
                .await
                .map_err(|error| error.to_string())?
                .flatten();
        let written: i64 = sqlx::query_scalar("select (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint")
            .fetch_one(&self.primary)
            .await
            .map_err(|error| error.to_string())?;
        positions.write(Instant::now(), written);
        let replayed = replayed.ok_or("it is no standby: it follows nobody")?;
        positions.lag(replayed)
    }
}

/// Where the primary was, and when.
#[derive(Default)]
struct Positions(VecDeque<(Instant, i64)>);

/// Longer than any lag that is allowed.
const MEMORY: usize = 600;

impl Positions {
    fn write(&mut self, at: Instant, position: i64) {
        // Another primary: its positions are not comparable with those of before.
        if self.0.back().is_some_and(|(_, last)| position < *last) {
            self.0.clear();
        }
        self.0.push_back((at, position));
        if self.0.len() > MEMORY {
            self.0.pop_front();
        }
    }

    /// The time since the primary was where the replica is now.
    fn lag(&self, replayed: i64) -> Result<Duration, String> {
        let Some((now, written)) = self.0.back() else { return Err("nothing is known of the primary".to_owned()) };
        if replayed > *written {
            return Err("it is ahead of the primary: it follows another".to_owned());
        }
        // The last moment at which everything that was written by then is there; what came after may be missing since.
        match self.0.iter().rev().find(|(_, position)| *position <= replayed) {
            Some((at, _)) => Ok(now.duration_since(*at)),
            None => Err("it is further behind than is remembered".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lag_is_the_time_since_the_primary_was_there() {
        let mut positions = Positions::default();
        assert!(positions.lag(7).is_err(), "nothing is known");
        let began = Instant::now();
        for (second, position) in [(0, 100), (1, 100), (2, 250), (3, 400)] {
            positions.write(began + Duration::from_secs(second), position);
        }
        assert_eq!(positions.lag(400), Ok(Duration::ZERO));
        assert_eq!(positions.lag(399), Ok(Duration::from_secs(1)));
        assert_eq!(positions.lag(249), Ok(Duration::from_secs(2)), "nothing was written from 0 to 1");
        assert!(positions.lag(99).unwrap_err().contains("further behind"));
        assert!(positions.lag(401).unwrap_err().contains("follows another"));
        positions.write(began + Duration::from_secs(4), 300);
        assert!(positions.lag(299).is_err(), "a new primary begins anew");
    }
}
