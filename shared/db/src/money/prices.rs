//! Prices of models. Workers poll all of them every few seconds; admins change them.

use sqlx::{PgExecutor, Result};
use troupe_core::model::money::{Price, Rate};

use crate::Page;

/// By provider and model, after such a pair.
pub async fn list(db: impl PgExecutor<'_>, page: Page<(String, String)>) -> Result<Vec<Price>> {
    let (provider, model) = page.after.unwrap_or_default();
    sqlx::query_as!(
        Price,
        "select provider, model, prompt_price, completion_price, updated_at from prices
         where (provider, model) > ($1, $2) order by provider, model limit $3",
        provider,
        model,
        page.limit,
    )
    .fetch_all(db)
    .await
}

/// All prices.
pub async fn all(db: impl PgExecutor<'_>) -> Result<Vec<Price>> {
    sqlx::query_as!(Price, "select provider, model, prompt_price, completion_price, updated_at from prices")
        .fetch_all(db)
        .await
}

/// Locks a price until the end of the transaction.
pub async fn lock(db: impl PgExecutor<'_>, provider: &str, model: &str) -> Result<Option<Rate>> {
    sqlx::query_as!(
        Rate,
        "select prompt_price, completion_price from prices where provider = $1 and model = $2 for update",
        provider,
        model,
    )
    .fetch_optional(db)
    .await
}

/// Sets a price.
pub async fn set(db: impl PgExecutor<'_>, provider: &str, model: &str, rate: Rate) -> Result<()> {
    sqlx::query!(
        "insert into prices (provider, model, prompt_price, completion_price) values ($1, $2, $3, $4)
         on conflict (provider, model) do update set prompt_price = excluded.prompt_price,
             completion_price = excluded.completion_price, updated_at = now()",
        provider,
        model,
        rate.prompt_price,
        rate.completion_price,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Removes a price; `false` where there is none.
pub async fn remove(db: impl PgExecutor<'_>, provider: &str, model: &str) -> Result<bool> {
    let done =
        sqlx::query!("delete from prices where provider = $1 and model = $2", provider, model).execute(db).await?;
    Ok(done.rows_affected() > 0)
}
