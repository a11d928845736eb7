//! The queue and the use of the service over time.

use std::sync::Arc;

use axum::{Json, extract::State};
use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use troupe_core::clock::{Clock, SystemClock};
use troupe_db::operations::{
    daily_use::{self, DayOfTier, UseOfPersona},
    queue_history::{self, QueuePoint, Step},
};
use utoipa::{IntoParams, ToSchema};

use crate::{
    admin::Admin,
    http::{
        error::ApiError,
        extract::{paging::Params, validation::Checks},
    },
};

/// Two days of minutes of seven tiers, or a month of hours of twenty-eight.
const MAX_POINTS: i64 = 20_160;
const MAX_DAYS: u64 = 400;
const PERSONAS: i64 = 50;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HistoryStep {
    /// Kept for two days.
    #[default]
    Minute,
    /// Kept for thirty days.
    Hour,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HistoryQuery {
    #[serde(default)]
    step: HistoryStep,
    /// By default the last three hours, or the last seven days.
    from: Option<DateTime<Utc>>,
    tier: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueueHistoryView {
    step: HistoryStep,
    from: DateTime<Utc>,
    /// The oldest first. A minute that is missing is one that no worker was there for.
    points: Vec<QueuePointView>,
}

/// A minute or an hour of a tier's queue.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueuePointView {
    at: DateTime<Utc>,
    tier: String,
    /// Jobs that waited, at the end of the minute, and the age of the oldest; of an hour the most of its minutes. Null
    /// where the queue did not answer.
    depth: Option<i64>,
    oldest_ms: Option<i64>,
    /// Messages that came.
    arrivals: i32,
    /// Jobs that ended, whatever their outcome.
    completions: Option<i64>,
    /// Those of the arrivals that had failed for good a minute later.
    failures: i32,
    /// From a message to the first attempt at its reply; of an hour the median of its minutes, and the worst of them.
    wait_p50_ms: Option<i64>,
    wait_p95_ms: Option<i64>,
}

impl From<QueuePoint> for QueuePointView {
    fn from(point: QueuePoint) -> Self {
        Self {
            at: point.at,
            tier: point.tier,
            depth: point.depth,
            oldest_ms: point.oldest_ms,
            arrivals: point.arrivals,
            completions: point.completions,
            failures: point.failures,
            wait_p50_ms: point.wait_p50_ms,
            wait_p95_ms: point.wait_p95_ms,
        }
    }
}

/// The queue over time: minutes of the last two days, hours of the last thirty
#[utoipa::path(get, path = "/admin/queue/history", tag = super::TAG, security(("token" = ["operations:read"])), params(HistoryQuery),
    responses((status = 200, body = QueueHistoryView)))]
pub(crate) async fn read_queue_history(
    State(admin): State<Arc<Admin>>,
    Params(HistoryQuery { step, from, tier }): Params<HistoryQuery>,
) -> Result<Json<QueueHistoryView>, ApiError> {
    let (stored, span) = match step {
        HistoryStep::Minute => (Step::Minute, TimeDelta::hours(3)),
        HistoryStep::Hour => (Step::Hour, TimeDelta::days(7)),
    };
    let from = from.unwrap_or_else(|| SystemClock.now() - span);
    let points = admin.reads.run(|db| queue_history::points(db, stored, from, tier.as_deref(), MAX_POINTS)).await?;
    Ok(Json(QueueHistoryView { step, from, points: points.into_iter().map(QueuePointView::from).collect() }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StatisticsQuery {
    /// So many days up to today: 1 to 400, 30 by default.
    #[param(minimum = 1, maximum = 400)]
    days: Option<u64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatisticsView {
    from: NaiveDate,
    /// The oldest first. Days begin at midnight UTC; of today it is what was said up to the last whole hour.
    days: Vec<DayOfTierView>,
    /// The most used of this time.
    personas: Vec<UseOfPersonaView>,
}

/// A day of a tier.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DayOfTierView {
    day: NaiveDate,
    tier: String,
    /// Users who wrote; known of the last 35 days.
    users: i64,
    messages: i64,
    replies: i64,
    failed: i64,
    prompt_tokens: i64,
    completion_tokens: i64,
    cost: f64,
    /// Of replies of this day, whenever they were rated.
    thumbs_up: i64,
    thumbs_down: i64,
}

impl From<DayOfTier> for DayOfTierView {
    fn from(day: DayOfTier) -> Self {
        Self {
            day: day.day,
            tier: day.tier,
            users: day.users,
            messages: day.messages,
            replies: day.replies,
            failed: day.failed,
            prompt_tokens: day.prompt_tokens,
            completion_tokens: day.completion_tokens,
            cost: day.cost,
            thumbs_up: day.thumbs_up,
            thumbs_down: day.thumbs_down,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UseOfPersonaView {
    slug: String,
    name: String,
    messages: i64,
    replies: i64,
    cost: f64,
    thumbs_up: i64,
    thumbs_down: i64,
}

impl From<UseOfPersona> for UseOfPersonaView {
    fn from(used: UseOfPersona) -> Self {
        Self {
            slug: used.slug,
            name: used.name,
            messages: used.messages,
            replies: used.replies,
            cost: used.cost,
            thumbs_up: used.thumbs_up,
            thumbs_down: used.thumbs_down,
        }
    }
}

/// Use by day and tier, and the personas that were used most
#[utoipa::path(get, path = "/admin/stats", tag = super::TAG, security(("token" = ["operations:read"])), params(StatisticsQuery),
    responses((status = 200, body = StatisticsView)))]
pub(crate) async fn read_statistics(
    State(admin): State<Arc<Admin>>,
    Params(StatisticsQuery { days }): Params<StatisticsQuery>,
) -> Result<Json<StatisticsView>, ApiError> {
    let days = days.unwrap_or(30);
    Checks::default().rule((1..=MAX_DAYS).contains(&days), "days", format!("must be from 1 to {MAX_DAYS}")).done()?;
    let today = SystemClock.now().date_naive();
    let from = today.checked_sub_days(Days::new(days - 1)).unwrap_or(today);
    let used = admin.reads.run(|db| daily_use::days(db, from)).await?;
    let personas = admin.reads.run(|db| daily_use::personas(db, from, PERSONAS)).await?;
    Ok(Json(StatisticsView {
        from,
        days: used.into_iter().map(DayOfTierView::from).collect(),
        personas: personas.into_iter().map(UseOfPersonaView::from).collect(),
    }))
}
