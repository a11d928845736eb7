//! What a backup of the whole database needs: a snapshot that `pg_dump` can share, and what is in it.

use std::str::FromStr;

use sqlx::{ConnectOptions, Connection, PgConnection, Row, postgres::PgConnectOptions};

use crate::MIGRATOR;

/// A transaction whose view of the database is exported; it must live until `pg_dump` has ended.
#[derive(Debug)]
pub struct Snapshot {
    connection: PgConnection,
    /// For `pg_dump --snapshot`.
    pub name: String,
    pub contents: Contents,
}

/// What a database holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contents {
    /// The newest migration that was applied.
    pub migration: i64,
    pub messages: i64,
    /// The major version of PostgreSQL.
    pub postgres: i32,
}

impl Snapshot {
    /// `None` while the database has no schema.
    pub async fn open(url: &str) -> sqlx::Result<Option<Self>> {
        let mut connection = PgConnectOptions::from_str(url)?.connect().await?;
        sqlx::query("begin isolation level repeatable read, read only").execute(&mut connection).await?;
        let has_schema: bool = sqlx::query_scalar(
            "select to_regclass('_sqlx_migrations') is not null and to_regclass('messages') is not null",
        )
        .fetch_one(&mut connection)
        .await?;
        if !has_schema {
            return Ok(None);
        }
        let row = sqlx::query(
            "select pg_export_snapshot() as name, current_setting('server_version_num')::int / 10000 as postgres,
                    (select coalesce(max(version), 0) from _sqlx_migrations where success) as migration,
                    (select count(*) from messages) as messages",
        )
        .fetch_one(&mut connection)
        .await?;
        let contents = Contents {
            migration: row.try_get("migration")?,
            messages: row.try_get("messages")?,
            postgres: row.try_get("postgres")?,
        };
        Ok(Some(Self { connection, name: row.try_get("name")?, contents }))
    }

    pub async fn close(self) -> sqlx::Result<()> {
        self.connection.close().await
    }
}

/// The newest migration of this version.
pub fn newest_migration() -> i64 {
    MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or_default()
}
