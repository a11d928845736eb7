//! Tiers: what their users are allowed, and who is asked for their replies.

use axum::{Json, extract::State};
use serde::Deserialize;
use troupe_shared::{
    db::users::{self, TierChange},
    model::{Change, admin::Tier},
};
use utoipa::ToSchema;

use crate::{
    error::ApiError,
    extract::{auth::Caller, body::Body, checks::Checks, path::Id},
    state::AppState,
    usecase::chains::checked_chain,
};

const LONGEST_NAME: usize = 31;
const MOST_WEIGHT: i32 = 1_000;
const MOST_PER_MINUTE: i32 = 1_000_000;

/// What changes; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeTier {
    #[schema(minimum = 1, maximum = 1000)]
    queue_weight: Option<i32>,
    /// Null, or an empty one, is the configured default again.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 10)]
    chain: Change<Vec<String>>,
    #[schema(minimum = 1, maximum = 1_000_000)]
    calls_per_minute: Option<i32>,
    #[schema(minimum = 1, maximum = 1_000_000)]
    chat_per_minute: Option<i32>,
}

/// All tiers, the heaviest first
#[utoipa::path(get, path = "/admin/tiers", tag = super::TAG, security(("token" = ["tiers:read"])), responses((status = 200, body = Vec<Tier>)))]
pub(crate) async fn list_tiers(State(state): State<AppState>) -> Result<Json<Vec<Tier>>, ApiError> {
    Ok(Json(users::tiers(&state.pool).await?))
}

/// Change a tier
///
/// A chain counts from the next reply on, a weight and what may be called a minute within seconds.
#[utoipa::path(patch, path = "/admin/tiers/{name}", tag = super::TAG, security(("token" = ["tiers:write"])), params(("name" = String, Path)), request_body = ChangeTier,
    responses((status = 200, body = Tier), (status = 404, description = "no such tier")))]
pub(crate) async fn change_tier(
    State(state): State<AppState>,
    Caller(admin): Caller,
    Id(name): Id<String>,
    Body(ChangeTier { queue_weight, chain, calls_per_minute, chat_per_minute }): Body<ChangeTier>,
) -> Result<Json<Tier>, ApiError> {
    let mut checks = Checks::default();
    let sound = queue_weight.is_none_or(|weight| (1..=MOST_WEIGHT).contains(&weight));
    checks.rule(sound, "queue_weight", format!("must be from 1 to {MOST_WEIGHT}"));
    for (field, calls) in [("calls_per_minute", calls_per_minute), ("chat_per_minute", chat_per_minute)] {
        let sound = calls.is_none_or(|calls| (1..=MOST_PER_MINUTE).contains(&calls));
        checks.rule(sound, field, format!("must be from 1 to {MOST_PER_MINUTE}"));
    }
    let chain = checked_chain(&mut checks, &state.config.providers, chain);
    checks.done()?;
    let missing = ApiError::NotFound("tier");
    if name.len() > LONGEST_NAME || name.contains('\0') {
        return Err(missing);
    }
    let tier = users::change_tier(
        &state.pool,
        &name,
        TierChange { queue_weight, chain: chain.as_deref(), calls_per_minute, chat_per_minute },
    );
    let tier = tier.await?.ok_or(missing)?;
    tracing::info!(admin_id = %admin, tier = tier.name, queue_weight = tier.queue_weight, chain = ?tier.chain,
        calls_per_minute = tier.calls_per_minute, chat_per_minute = tier.chat_per_minute, "a tier was changed");
    Ok(Json(tier))
}
