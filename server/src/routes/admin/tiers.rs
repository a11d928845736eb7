//! Tiers: what their users are allowed, and who is asked for their replies.

use axum::{Json, extract::State};
use serde::Deserialize;
use troupe_shared::{
    db::users,
    model::{
        Change,
        admin::Tier,
        audit::{By, On},
    },
};
use utoipa::ToSchema;

use crate::{
    error::ApiError,
    extract::{auth::Caller, body::Body, checks::Checks, path::Id},
    state::AppState,
    usecase::{audit::note, chains::checked_chain},
};

const LONGEST_NAME: usize = 31;
const MOST_WEIGHT: i32 = 1_000;

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
}

/// All tiers, the heaviest first
#[utoipa::path(get, path = "/admin/tiers", tag = super::TAG, security(("token" = ["tiers:read"])), responses((status = 200, body = Vec<Tier>)))]
pub(crate) async fn list_tiers(State(state): State<AppState>) -> Result<Json<Vec<Tier>>, ApiError> {
    Ok(Json(users::tiers(&state.pool).await?))
}

/// Change a tier
///
/// A chain counts from the next reply on, a weight within seconds.
#[utoipa::path(patch, path = "/admin/tiers/{name}", tag = super::TAG, security(("token" = ["tiers:write"])), params(("name" = String, Path)), request_body = ChangeTier,
    responses((status = 200, body = Tier), (status = 404, description = "no such tier")))]
pub(crate) async fn change_tier(
    State(state): State<AppState>,
    Caller(admin): Caller,
    by: By,
    Id(name): Id<String>,
    Body(ChangeTier { queue_weight, chain }): Body<ChangeTier>,
) -> Result<Json<Tier>, ApiError> {
    let mut checks = Checks::default();
    let sound = queue_weight.is_none_or(|weight| (1..=MOST_WEIGHT).contains(&weight));
    checks.rule(sound, "queue_weight", format!("must be from 1 to {MOST_WEIGHT}"));
    let chain = checked_chain(&mut checks, &state.config.providers, chain);
    checks.done()?;
    let missing = ApiError::NotFound("tier");
    if name.len() > LONGEST_NAME || name.contains('\0') {
        return Err(missing);
    }
    let mut transaction = state.pool.begin().await?;
    let before = users::lock_tier(&mut *transaction, &name).await?;
    let tier = users::change_tier(&mut *transaction, &name, queue_weight, chain.as_deref()).await?.ok_or(missing)?;
    let changed = by.does("tier.changed").on(On::thing("tier", &name)).before(before).after(&tier);
    note(&mut *transaction, &changed).await?;
    transaction.commit().await?;
    tracing::info!(admin_id = %admin, tier = tier.name, queue_weight = tier.queue_weight, chain = ?tier.chain, "a tier was changed");
    Ok(Json(tier))
}
