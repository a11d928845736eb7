//! Finding the server that takes writes among several, at the start and after each failover.
//!
//! All are asked at once: one that is cut off must not hold up the others. The one in use is watched over a connection
//! of its own, so a failover is noticed also by a process without traffic.

use std::{str::FromStr, sync::Arc, time::Duration};

use futures::{FutureExt, StreamExt, stream::FuturesUnordered};
use secrecy::ExposeSecret;
use sqlx::{ConnectOptions, PgConnection, PgPool, postgres::PgConnectOptions};
use tokio::{
    sync::watch,
    time::{Instant, interval, sleep, timeout},
};
use troupe_core::config::{Config, Database, PostgresHosts, SessionAttributes};

use crate::{ConnectError, connections::Connections, with_settings};

/// Of the server in use, where there are several.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// For a server's connection and answer.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
const SEARCH_PAUSE: Duration = Duration::from_millis(200);

/// The servers of a configuration, with the settings of our connections.
#[derive(Debug, Clone)]
pub(crate) struct Servers {
    candidates: Vec<PgConnectOptions>,
    /// The number of the candidate in use.
    current: usize,
    session: SessionAttributes,
}

impl Servers {
    pub(crate) fn new(config: &Database, application: &str) -> Result<Self, ConnectError> {
        let url = config.url.as_ref().ok_or(ConnectError::NoUrl)?;
        let hosts = PostgresHosts::parse(url).map_err(|fault| ConnectError::Connect(invalid(fault)))?;
        let options = |url: &secrecy::SecretString| {
            let options = PgConnectOptions::from_str(url.expose_secret()).map_err(ConnectError::Connect)?;
            Ok(with_settings(options, config, application))
        };
        let candidates = hosts.urls.iter().map(options).collect::<Result<_, ConnectError>>()?;
        Ok(Self { candidates, current: 0, session: hosts.session })
    }

    pub(crate) fn current(&self) -> &PgConnectOptions {
        &self.candidates[self.current]
    }

    pub(crate) fn are_several(&self) -> bool {
        self.candidates.len() > 1
    }

    pub(crate) fn must_be_writable(&self) -> bool {
        self.session != SessionAttributes::Any
    }

    /// The same servers with other credentials.
    fn with_credentials_of(self, new: Self) -> Self {
        let current = self.current.min(new.candidates.len() - 1);
        Self { current, ..new }
    }

    /// Finds the right server, and makes it the current one; returns a connection to it.
    pub(crate) async fn connect(&mut self) -> sqlx::Result<PgConnection> {
        if !self.are_several() {
            let mut connection = self.current().connect().await?;
            return if !self.must_be_writable() || is_writable(&mut connection).await? {
                Ok(connection)
            } else {
                Err(invalid("the server of database.url is read-only"))
            };
        }
        let mut last_error = invalid("no server of database.url takes writes");
        let attempts = (0..self.candidates.len()).map(|number| self.try_server(number).boxed());
        let mut attempts: FuturesUnordered<_> = attempts.collect();
        while let Some((number, connected)) = attempts.next().await {
            match connected {
                Ok(Some(connection)) => {
                    drop(attempts);
                    self.current = number;
                    return Ok(connection);
                }
                Ok(None) => {}
                Err(error) => last_error = error,
            }
        }
        Err(last_error)
    }

    /// A connection, unless the server is a standby.
    async fn try_server(&self, number: usize) -> (usize, sqlx::Result<Option<PgConnection>>) {
        let connect = async {
            let mut connection = self.candidates[number].connect().await?;
            let right = !self.must_be_writable() || is_writable(&mut connection).await?;
            Ok(right.then_some(connection))
        };
        let silent = || Err(crate::response_timeout::unanswered("a server of database.url does not answer".to_owned()));
        (number, timeout(CHECK_TIMEOUT, connect).await.unwrap_or_else(|_| silent()))
    }

    /// The same, again and again until the time is over: a failover may be under way.
    pub(crate) async fn connect_within(&mut self, limit: Duration) -> sqlx::Result<PgConnection> {
        let deadline = Instant::now() + limit;
        loop {
            match self.connect().await {
                Err(_) if self.are_several() && Instant::now() + SEARCH_PAUSE < deadline => sleep(SEARCH_PAUSE).await,
                connected => return connected,
            }
        }
    }
}

/// Keeps a pool's connections at the right server, with the current credentials.
pub struct AddressFollower {
    pub(crate) pool: PgPool,
    pub(crate) servers: Servers,
    pub(crate) connections: Arc<Connections>,
    pub(crate) config: Database,
    pub(crate) application: String,
}

impl AddressFollower {
    /// Applies changed credentials to new connections (existing ones stay), and a failover to all.
    pub async fn run(mut self, mut live: watch::Receiver<Arc<Config>>) {
        let mut checks = interval(CHECK_INTERVAL);
        checks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut watched = None;
        let config = live.borrow_and_update().database.clone();
        self.apply_credentials(config);
        loop {
            tokio::select! {
                changed = live.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let config = live.borrow_and_update().database.clone();
                    self.apply_credentials(config);
                }
                _ = checks.tick(), if self.servers.are_several() => self.check(&mut watched).await,
            }
        }
    }

    fn apply_credentials(&mut self, config: Database) {
        let address = |config: &Database| config.url.as_ref().map(|url| url.expose_secret().to_owned());
        if address(&self.config) == address(&config) {
            return;
        }
        match Servers::new(&config, &self.application) {
            Ok(servers) => {
                self.servers = self.servers.clone().with_credentials_of(servers);
                self.config = config;
                self.pool.set_connect_options(self.servers.current().clone());
                tracing::info!("new connections to PostgreSQL have other credentials now");
            }
            Err(error) => tracing::error!(%error, "new connections to PostgreSQL keep their credentials"),
        }
    }

    /// Looks whether the server in use still is the right one, and for another where it is not.
    async fn check(&mut self, watched: &mut Option<PgConnection>) {
        if let Some(mut connection) = watched.take() {
            let answer = timeout(CHECK_TIMEOUT, is_right(&self.servers, &mut connection)).await;
            if matches!(answer, Ok(Ok(true))) {
                *watched = Some(connection);
                return;
            }
        }
        let before = self.servers.current;
        match self.servers.connect().await {
            Ok(connection) => {
                *watched = Some(connection);
                if self.servers.current != before {
                    self.pool.set_connect_options(self.servers.current().clone());
                    self.connections.leave_all();
                    let options = self.servers.current();
                    tracing::warn!(
                        host = options.get_host(),
                        port = options.get_port(),
                        "another PostgreSQL is the primary"
                    );
                }
            }
            Err(error) => tracing::warn!(%error, "no PostgreSQL takes writes"),
        }
    }
}

async fn is_right(servers: &Servers, connection: &mut PgConnection) -> sqlx::Result<bool> {
    let writable = is_writable(connection).await?;
    Ok(writable || !servers.must_be_writable())
}

/// Whether transactions may write: a standby's may not.
pub(crate) async fn is_writable(connection: &mut PgConnection) -> sqlx::Result<bool> {
    let setting: String =
        sqlx::query_scalar("select current_setting('transaction_read_only')").fetch_one(connection).await?;
    Ok(setting == "off")
}

fn invalid(what: &'static str) -> sqlx::Error {
    sqlx::Error::Configuration(what.into())
}
