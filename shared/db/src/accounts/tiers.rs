//! Tiers: the limits of their users, and their share of the workers. Each has a queue.

use sqlx::{PgExecutor, Result};
use troupe_core::model::{Change, admin::Tier};

/// All tiers, the heaviest first: one queue each.
pub async fn list(db: impl PgExecutor<'_>) -> Result<Vec<Tier>> {
    sqlx::query_as!(
        Tier,
        "select name, queue_weight, chain, models, calls_per_minute, chat_per_minute from tiers order by queue_weight desc, name"
    )
    .fetch_all(db)
    .await
}

/// A change of a tier.
#[derive(Debug, Default)]
pub struct TierChange<'a> {
    pub queue_weight: Option<i32>,
    pub chain: Change<&'a [String]>,
    pub models: Change<&'a [String]>,
    pub calls_per_minute: Option<i32>,
    pub chat_per_minute: Option<i32>,
}

/// Locks a tier until the end of the transaction.
pub async fn lock(db: impl PgExecutor<'_>, name: &str) -> Result<Option<Tier>> {
    sqlx::query_as!(
        Tier,
        "select name, queue_weight, chain, models, calls_per_minute, chat_per_minute from tiers where name = $1 for update",
        name,
    )
        .fetch_optional(db)
        .await
}

/// Changes a tier; `None` where there is no such tier.
pub async fn change(db: impl PgExecutor<'_>, name: &str, change: TierChange<'_>) -> Result<Option<Tier>> {
    sqlx::query_as!(
        Tier,
        r#"update tiers set queue_weight = coalesce($2, queue_weight), chain = case when $3 then chain else $4 end,
             calls_per_minute = coalesce($5, calls_per_minute), chat_per_minute = coalesce($6, chat_per_minute),
             models = case when $7 then models else $8 end
           where name = $1
           returning name, queue_weight, chain, models, calls_per_minute, chat_per_minute"#,
        name,
        change.queue_weight,
        change.chain.is_kept(),
        change.chain.value(),
        change.calls_per_minute,
        change.chat_per_minute,
        change.models.is_kept(),
        change.models.value(),
    )
    .fetch_optional(db)
    .await
}

/// Adds a tier; its name must be unused.
pub async fn create(db: impl PgExecutor<'_>, name: &str) -> Result<()> {
    sqlx::query!("insert into tiers (name, queue_weight) values ($1, 1)", name).execute(db).await?;
    Ok(())
}

/// Removes a tier; `false` where there is none. Fails while it has users.
pub async fn delete(db: impl PgExecutor<'_>, name: &str) -> Result<bool> {
    let done = sqlx::query!("delete from tiers where name = $1", name).execute(db).await?;
    Ok(done.rows_affected() == 1)
}
