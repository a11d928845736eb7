//! The question of the day: chosen at the first request of a day, and kept.

use chrono::NaiveDate;
use troupe_core::{
    ids::{PersonaId, UserId},
    model::interview::Question,
};
use troupe_db::interview::questions;

use super::{
    Interview,
    answers::{NO_QUESTION, lock},
};
use crate::http::error::ApiError;

/// The question of this day.
pub(crate) async fn daily_question(
    interview: &Interview,
    owner: UserId,
    (persona, slug): (PersonaId, &str),
    day: NaiveDate,
) -> Result<Question, ApiError> {
    if let Some(chosen) = questions::of_day(&interview.pool, persona, day).await? {
        return Ok(chosen);
    }
    let mut transaction = interview.pool.begin().await?;
    lock(&mut transaction, owner, slug).await?;
    // Another request may have chosen it concurrently.
    if questions::of_day(&mut *transaction, persona, day).await?.is_none() {
        questions::choose(&mut *transaction, owner, persona, day).await?;
    }
    let chosen = questions::of_day(&mut *transaction, persona, day).await?.ok_or(NO_QUESTION)?;
    transaction.commit().await?;
    Ok(chosen)
}
