//! The progress of a persona's interview, and the ratings of its replies.

use std::{collections::BTreeSet, sync::Arc};

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use troupe_core::model::{feedback::Ratings, interview::CategoryProgress};
use troupe_db::{interview::progress, replies::feedback};
use utoipa::{IntoParams, ToSchema};

use super::TAG;
use crate::{
    auth::caller::Caller,
    http::{
        error::ApiError,
        extract::{paging::Params, path::Id},
    },
    interview::{
        Interview,
        streak::{self, Streak},
    },
    personas::own::own_persona,
};

/// The time zone of days.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Where {
    /// UTC by default.
    #[serde(default = "streak::utc")]
    #[param(example = "Europe/Berlin")]
    timezone: String,
}

/// The progress of an interview.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Progress {
    /// Questions of the bank and one's own.
    total: i64,
    /// Those with a final answer.
    answered: i64,
    drafts: i64,
    /// Of the final answers.
    words: i64,
    last_answer_at: Option<DateTime<Utc>>,
    /// Consecutive days with a written answer.
    streak: Streak,
    /// The ratings of its replies.
    ratings: Ratings,
    /// In the order of the questions.
    categories: Vec<CategoryProgress>,
}

/// The progress of the interview: answers, their words, and the streak of days
///
/// And the ratings of the persona's replies.
#[utoipa::path(get, path = "/personas/{slug}/analytics", tag = TAG, security(("token" = ["personas:read"])), params(("slug" = String, Path), Where),
    responses((status = 200, body = Progress)))]
pub(crate) async fn read_progress(
    State(interview): State<Arc<Interview>>,
    Caller(owner): Caller,
    Id(slug): Id<String>,
    Params(Where { timezone }): Params<Where>,
) -> Result<Json<Progress>, ApiError> {
    let zone = streak::zone(&timezone)?;
    let persona = own_persona(&interview.pool, owner, &slug).await?;
    let categories = progress::progress(&interview.pool, owner, persona).await?;
    let written = progress::written_at(&interview.pool, persona).await?;
    let ratings = feedback::ratings(&interview.pool, persona).await?;
    let days: BTreeSet<_> = written.into_iter().map(|moment| streak::day_of(moment, zone)).collect();
    let sum = |count: fn(&CategoryProgress) -> i64| categories.iter().map(count).sum();
    Ok(Json(Progress {
        total: sum(|category| category.total),
        answered: sum(|category| category.answered),
        drafts: sum(|category| category.drafts),
        words: sum(|category| category.words),
        last_answer_at: categories.iter().filter_map(|category| category.last_answer_at).max(),
        streak: streak::streak(&days, streak::day_of(interview.clock.now(), zone)),
        ratings,
        categories,
    }))
}
