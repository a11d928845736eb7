//! The role of the database under which servers and workers run: it may change what they change, and of the audit log
//! only read and append.

use sqlx::{PgExecutor, Result};

/// Gives a role what is needed, and no more. After each migration anew: it may have brought tables.
pub async fn grant(db: impl PgExecutor<'_>, role: &str) -> Result<()> {
    sqlx::query!("select grant_runtime(($1::text)::name)", role).execute(db).await?;
    Ok(())
}
