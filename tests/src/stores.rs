//! Where one test keeps its data: a database and a prefix of its own on the engines of the whole run, or engines of its
//! own.
//!
//! `with-engines` starts the former, and names them in the environment. Where nobody has, every test has engines of its
//! own.

use std::str::FromStr;

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, postgres::PgConnectOptions};

use crate::{engines::Engines, within};

/// The addresses of the engines of the whole run.
pub const POSTGRES: &str = "TROUPE_TESTS_POSTGRES";
pub const REDIS: &str = "TROUPE_TESTS_REDIS";
/// The database that the tests' own are copies of: it has been migrated.
pub const TEMPLATE: &str = "template_troupe";

pub(crate) enum Stores {
    Own(Box<Engines>),
    Shared { database: Database, redis: String },
}

/// What a cluster needs to know of them.
pub(crate) struct Addresses {
    pub(crate) postgres: String,
    pub(crate) redis: String,
    pub(crate) redis_prefix: String,
}

impl Stores {
    pub(crate) async fn open(own: bool) -> Self {
        match (variable(POSTGRES), variable(REDIS)) {
            (Some(postgres), Some(redis)) if !own => {
                Self::Shared { database: Database::create(&postgres).await, redis }
            }
            _ => Self::Own(Box::new(Engines::start().await)),
        }
    }

    pub(crate) fn addresses(&self) -> Addresses {
        match self {
            Self::Own(engines) => Addresses {
                postgres: engines.postgres.url().to_owned(),
                redis: engines.redis.url().to_owned(),
                redis_prefix: "troupe".to_owned(),
            },
            Self::Shared { database, redis } => {
                Addresses { postgres: database.url(), redis: redis.clone(), redis_prefix: database.name.clone() }
            }
        }
    }

    pub(crate) fn own(&self) -> &Engines {
        match self {
            Self::Own(engines) => engines,
            Self::Shared { .. } => panic!("{OTHERS}"),
        }
    }

    pub(crate) fn own_mut(&mut self) -> &mut Engines {
        match self {
            Self::Own(engines) => engines,
            Self::Shared { .. } => panic!("{OTHERS}"),
        }
    }
}

const OTHERS: &str = "other tests use these engines: ask for ClusterOptions::own_engines()";

fn variable(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "no setting of Troupe's: how a run of tests tells each of them")]
    std::env::var(name).ok()
}

/// A database of one test's own in a PostgreSQL that others use too. Dropped with it.
pub(crate) struct Database {
    name: String,
    postgres: String,
}

impl Database {
    pub(crate) async fn create(postgres: &str) -> Self {
        #[expect(clippy::disallowed_methods, reason = "any name that no other test has")]
        let name = format!("test_{}", uuid::Uuid::now_v7().simple());
        let statement = format!("create database {name} template {TEMPLATE}");
        let created = within("a database of the test's own", execute(postgres, &statement)).await;
        created.unwrap_or_else(|error| panic!("{statement}: {error}"));
        Self { name, postgres: postgres.to_owned() }
    }

    pub(crate) fn url(&self) -> String {
        with_database(&self.postgres, &self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (statement, postgres) =
            (format!("drop database if exists {} with (force)", self.name), self.postgres.clone());
        // A runtime cannot be waited for within another one's thread.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(execute(&postgres, &statement)).map_err(std::io::Error::other)
        });
        // It goes with the engines in any case.
        if let Ok(Err(error)) = dropped.join() {
            eprintln!("drop {}: {error}", self.name);
        }
    }
}

/// The address of another database of the same PostgreSQL.
pub fn with_database(url: &str, database: &str) -> String {
    let (server, options) = url.split_once('?').unwrap_or((url, ""));
    let (server, _) = server.rsplit_once('/').expect("an address with a database");
    format!("{server}/{database}?{options}")
}

async fn execute(postgres: &str, statement: &str) -> Result<(), sqlx::Error> {
    let options = PgConnectOptions::from_str(&with_database(postgres, "postgres"))?;
    let mut connection = options.disable_statement_logging().connect().await?;
    sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await?;
    connection.close().await
}
