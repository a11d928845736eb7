//! SQL: free functions by aggregate.
//!
//! Queries are checked at compile time against `.sqlx/`; `scripts/sqlx prepare` renews it after a change of SQL or
//! schema. The hot path costs three statements a message: [`replies::accept::accept`], [`replies::claim::claim`],
//! [`replies::finish::finish`].

pub mod accounts;
mod connections;
pub mod interview;
pub mod jobs;
pub mod knowledge;
pub mod metrics;
pub mod money;
pub mod operations;
pub mod personas;
mod primary;
pub mod readiness;
mod replica;
pub mod replies;
mod response_timeout;
pub mod retrieval;
pub mod speech;
pub mod translations;
pub mod vector_stores;

use std::sync::LazyLock;

use sqlx::{
    Connection, PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use troupe_core::config::Database;

use self::{connections::Connections, primary::Servers};
pub use self::{
    primary::AddressFollower,
    replica::{Reads, ReplicaWatch},
    response_timeout::with_response_timeout,
};

static MIGRATOR: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrator = sqlx::migrate!("../../migrations");
    // The version before this one must start too, beside it or in its place: what it does not know stays.
    migrator.set_ignore_missing(true);
    migrator
});

/// Every statement finds few rows by an index, at any table size (checked by `tests/it/operations/query_plans.rs`). So
/// plans are generic and made once per connection, and must not depend on table sizes or statistics.
pub const PLANNING: [(&str, &str); 4] =
    [("plan_cache_mode", "force_generic_plan"), ("enable_seqscan", "off"), ("enable_mergejoin", "off"), ("jit", "off")];

#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("DATABASE_URL (database.url) is not set")]
    NoUrl,
    #[error("connect to PostgreSQL: {0}")]
    Connect(#[source] sqlx::Error),
    #[error("migrate the database: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
}

/// For PostgreSQL, which keeps what a connection holds until it knows that the other end is gone: a row lock of a
/// server whose machine was cut off would stop a conversation for hours. Over Unix sockets only the last one counts.
const DEAD_CLIENTS: [(&str, &str); 5] = [
    ("tcp_keepalives_idle", "30"),
    ("tcp_keepalives_interval", "10"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "60s"),
    ("idle_in_transaction_session_timeout", "60s"),
];

/// Connects, and by default migrates the schema under an advisory lock.
pub async fn connect(config: &Database, application: &str) -> Result<PgPool, ConnectError> {
    connect_and_follow(config, application).await.map(|(pool, _)| pool)
}

/// The same for a pool that outlives a failover and a change of credentials, as long as its follower runs.
pub async fn connect_and_follow(
    config: &Database,
    application: &str,
) -> Result<(PgPool, AddressFollower), ConnectError> {
    response_timeout::set_response_timeout(config.response_timeout);
    let servers = find(config, application).await?;
    let connections = Connections::new();
    let options = PgPoolOptions::new()
        .max_connections(config.max_connections)
        .acquire_timeout(config.acquire_timeout)
        // A dead connection fails at its first statement; testing each time would be a round trip per message.
        .test_before_acquire(false);
    let pool = connections
        .guard(options, servers.must_be_writable())
        .connect_with(servers.current().clone())
        .await
        .map_err(ConnectError::Connect)?;
    metrics::watch(application, config.max_connections, &pool);
    if config.migrate {
        migrate(config, application).await?;
    }
    let (config, application) = (config.clone(), application.to_owned());
    Ok((pool.clone(), AddressFollower { pool, servers, connections, config, application }))
}

/// A pool of one connection, which migrates nothing.
pub async fn connect_to_look(config: &Database, application: &str) -> Result<PgPool, ConnectError> {
    let servers = find(config, application).await?;
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(config.acquire_timeout);
    Ok(pool.connect_lazy_with(servers.current().clone()))
}

/// Brings the schema up to date, whatever `database.migrate` says.
pub async fn migrate_now(config: &Database, application: &str) -> Result<(), ConnectError> {
    migrate(config, application).await
}

/// On a separate connection without statement timeout, since creating an index of a big table takes long, as does
/// waiting for another process that does.
async fn migrate(config: &Database, application: &str) -> Result<(), ConnectError> {
    let servers = find(config, application).await?;
    let options = servers.current().clone().options([("statement_timeout", "0")]);
    let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await.map_err(ConnectError::Connect)?;
    MIGRATOR.run(&pool).await?;
    pool.close().await;
    Ok(())
}

/// The servers of the configuration; of several, the one that takes writes is the current one.
async fn find(config: &Database, application: &str) -> Result<Servers, ConnectError> {
    let mut servers = Servers::new(config, application)?;
    if servers.are_several() {
        let found = servers.connect_within(config.acquire_timeout).await.map_err(ConnectError::Connect)?;
        _ = found.close().await;
    }
    Ok(servers)
}

/// What each of our connections is set to.
fn with_settings(options: PgConnectOptions, config: &Database, application: &str) -> PgConnectOptions {
    let options = options.application_name(application);
    if config.pooler {
        // PgBouncer refuses both: its connections to PostgreSQL are not of one client.
        return options.extra_float_digits(None);
    }
    let timeout = config.statement_timeout.as_millis().to_string();
    options.options(PLANNING).options(DEAD_CLIENTS).options([("statement_timeout", timeout)])
}

/// The unique constraint that the statement violated, if any.
pub fn violated_constraint(error: &sqlx::Error) -> Option<&str> {
    error.as_database_error().filter(|e| e.is_unique_violation())?.constraint()
}

/// Keyset pagination: items after this cursor, at most `limit`.
#[derive(Debug, Clone, Copy)]
pub struct Page<T> {
    pub after: Option<T>,
    pub limit: i64,
}

#[cfg(test)]
mod tests {
    use troupe_core::config::Config;

    use super::*;

    #[test]
    fn behind_a_pooler_nothing_is_set_at_the_start_of_a_connection() {
        let options = |variables: &[(&str, &str)]| {
            let url = ("DATABASE_URL", "postgres://u@h/d");
            let variables =
                variables.iter().chain([&url]).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let config = Config::from_sources(None, variables).unwrap();
            let servers = Servers::new(&config.database, "test").unwrap();
            servers.current().get_options().map(str::to_owned)
        };
        assert!(options(&[]).unwrap().contains("plan_cache_mode=force_generic_plan"));
        let pooled = [("TROUPE_DATABASE__POOLER", "true"), ("TROUPE_DATABASE__MIGRATE", "false")];
        assert_eq!(options(&pooled), None);
    }
}
