//! SQL: free functions by aggregate.
//!
//! Queries are checked at compile time against `.sqlx/`; `scripts/sqlx prepare` renews it after a change of SQL or
//! schema. The hot path costs three statements a message: [`replies::accept::accept`], [`replies::claim::claim`],
//! [`replies::finish::finish`].

pub mod accounts;
pub mod interview;
pub mod jobs;
pub mod knowledge;
pub mod metrics;
pub mod money;
pub mod operations;
pub mod personas;
pub mod readiness;
pub mod replies;
pub mod retrieval;
pub mod vector_stores;

use std::{
    str::FromStr,
    sync::{Arc, LazyLock},
};

use secrecy::ExposeSecret;
use sqlx::{
    PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::sync::watch;
use troupe_core::config::{Config, Database};

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

/// Connects, and by default migrates the schema under an advisory lock.
pub async fn connect(config: &Database, application: &str) -> Result<PgPool, ConnectError> {
    let pool = PgPoolOptions::new()
        .max_connections(config.max_connections)
        .acquire_timeout(config.acquire_timeout)
        // A dead connection fails at its first statement; testing each time would be a round trip per message.
        .test_before_acquire(false)
        .connect_with(options(config, application)?)
        .await
        .map_err(ConnectError::Connect)?;
    metrics::watch(application, config.max_connections, &pool);
    if config.migrate {
        migrate(config, application).await?;
    }
    Ok(pool)
}

/// A pool that connects when it is used, and migrates nothing.
pub fn connect_lazily(config: &Database, application: &str) -> Result<PgPool, ConnectError> {
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(config.acquire_timeout);
    Ok(pool.connect_lazy_with(options(config, application)?))
}

/// Brings the schema up to date, whatever `database.migrate` says.
pub async fn migrate_now(config: &Database, application: &str) -> Result<(), ConnectError> {
    migrate(config, application).await
}

/// On a separate connection without statement timeout, since creating an index of a big table takes long, as does
/// waiting for another process that does.
async fn migrate(config: &Database, application: &str) -> Result<(), ConnectError> {
    let options = options(config, application)?.options([("statement_timeout", "0")]);
    let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await.map_err(ConnectError::Connect)?;
    MIGRATOR.run(&pool).await?;
    pool.close().await;
    Ok(())
}

/// Applies changed credentials to new connections of a pool. Existing connections stay.
pub async fn follow_address(pool: PgPool, start: Database, mut live: watch::Receiver<Arc<Config>>, application: &str) {
    let address = |config: &Database| config.url.as_ref().map(|url| url.expose_secret().to_owned());
    let mut current = address(&start);
    loop {
        let config = live.borrow_and_update().database.clone();
        let new = address(&config);
        if current != new {
            current = new;
            match options(&config, application) {
                Ok(options) => {
                    pool.set_connect_options(options);
                    tracing::info!("new connections to PostgreSQL have other credentials now");
                }
                Err(error) => tracing::error!(%error, "new connections to PostgreSQL keep their credentials"),
            }
        }
        if live.changed().await.is_err() {
            return;
        }
    }
}

fn options(config: &Database, application: &str) -> Result<PgConnectOptions, ConnectError> {
    let url = config.url.as_ref().ok_or(ConnectError::NoUrl)?;
    let options = PgConnectOptions::from_str(url.expose_secret()).map_err(ConnectError::Connect)?;
    let timeout = config.statement_timeout.as_millis().to_string();
    Ok(options.application_name(application).options(PLANNING).options([("statement_timeout", timeout)]))
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
