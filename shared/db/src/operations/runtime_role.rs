//! The database role of servers and workers: it may change all they need to, but only read and append the audit log.

use sqlx::{PgExecutor, Result};

/// Grants a role the privileges it needs and no more. Repeat after each migration, which may add tables.
pub async fn grant(db: impl PgExecutor<'_>, role: &str) -> Result<()> {
    sqlx::query!("select grant_runtime(($1::text)::name)", role).execute(db).await?;
    Ok(())
}
