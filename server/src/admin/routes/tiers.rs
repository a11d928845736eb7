//! Tiers: the limits of their users, and their provider chains.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use troupe_core::model::{Change, admin::Tier, audit::On};
use troupe_db::{
    accounts::tiers::{self, TierChange},
    replies::queue_state,
    violated_constraint,
};
use utoipa::ToSchema;

use crate::{
    admin::Admin,
    audit::note,
    auth::{actor::Actor, caller::Caller},
    http::{
        error::{ApiError, ProblemCode},
        extract::{body::Body, idempotency::Keyed, path::Id, validation::Checks},
        idempotent::{Created, create_idempotent},
    },
    personas::chains::{checked_chain, checked_models},
};

const FREE: &str = "free";

const MAX_NAME_CHARS: usize = 31;
const MAX_WEIGHT: i32 = 1_000;
const MAX_PER_MINUTE: i32 = 1_000_000;

/// A change; omitted fields stay.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeTier {
    #[schema(minimum = 1, maximum = 1000)]
    queue_weight: Option<i32>,
    /// Null or an empty list restores the configured default.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 10)]
    chain: Change<Vec<String>>,
    /// Null, or an empty list, allows all.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 100)]
    models: Change<Vec<String>>,
    #[schema(minimum = 1, maximum = 1_000_000)]
    calls_per_minute: Option<i32>,
    #[schema(minimum = 1, maximum = 1_000_000)]
    chat_per_minute: Option<i32>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateTier {
    /// Lower-case letters, digits and underscores; a letter first.
    #[schema(example = "team", max_length = 31)]
    name: String,
    /// 1 by default.
    #[schema(minimum = 1, maximum = 1000)]
    queue_weight: Option<i32>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 10)]
    chain: Change<Vec<String>>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 100)]
    models: Change<Vec<String>>,
    /// 300 by default.
    #[schema(minimum = 1, maximum = 1_000_000)]
    calls_per_minute: Option<i32>,
    /// 10 by default.
    #[schema(minimum = 1, maximum = 1_000_000)]
    chat_per_minute: Option<i32>,
}

impl ChangeTier {
    fn validate(self, checks: &mut Checks, admin: &Admin) -> Self {
        let weight = self.queue_weight.is_none_or(|weight| (1..=MAX_WEIGHT).contains(&weight));
        checks.rule(weight, "queue_weight", format!("must be from 1 to {MAX_WEIGHT}"));
        let rates = [("calls_per_minute", self.calls_per_minute), ("chat_per_minute", self.chat_per_minute)];
        for (field, calls) in rates {
            let sound = calls.is_none_or(|calls| (1..=MAX_PER_MINUTE).contains(&calls));
            checks.rule(sound, field, format!("must be from 1 to {MAX_PER_MINUTE}"));
        }
        let providers = &admin.configuration.now().providers;
        let chain = checked_chain(checks, providers, self.chain);
        let models = checked_models(checks, providers, self.models);
        Self { chain, models, ..self }
    }

    fn as_change(&self) -> TierChange<'_> {
        TierChange {
            queue_weight: self.queue_weight,
            chain: self.chain.as_deref(),
            models: self.models.as_deref(),
            calls_per_minute: self.calls_per_minute,
            chat_per_minute: self.chat_per_minute,
        }
    }
}

impl CreateTier {
    fn split(self) -> (String, ChangeTier) {
        let Self { name, queue_weight, chain, models, calls_per_minute, chat_per_minute } = self;
        (name, ChangeTier { queue_weight, chain, models, calls_per_minute, chat_per_minute })
    }
}

/// All tiers, the heaviest first
#[utoipa::path(get, path = "/admin/tiers", tag = super::TAG, security(("token" = ["tiers:read"])), responses((status = 200, body = Vec<Tier>)))]
pub(crate) async fn list_tiers(State(admin): State<Arc<Admin>>) -> Result<Json<Vec<Tier>>, ApiError> {
    Ok(Json(tiers::list(&admin.pool).await?))
}

/// Add a tier
///
/// Workers serve its queue within seconds.
#[utoipa::path(post, path = "/admin/tiers", tag = super::TAG, security(("token" = ["tiers:write"])), request_body = CreateTier,
    responses((status = 201, body = Tier), (status = 409, description = "there is a tier with this name")))]
pub(crate) async fn create_tier(
    State(admin): State<Arc<Admin>>,
    Caller(caller): Caller,
    Actor(by): Actor,
    Keyed { body, key }: Keyed<CreateTier>,
) -> Result<Created<Tier>, ApiError> {
    let (mut checks, (name, settings)) = (Checks::default(), body.split());
    let named = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= MAX_NAME_CHARS
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    checks.rule(named, "name", "must be 1 to 31 small letters, digits and underscores, a letter first");
    let settings = settings.validate(&mut checks, &admin);
    checks.done()?;
    let created = create_idempotent(&admin.pool, caller, key, move |db| {
        Box::pin(async move {
            tiers::create(&mut *db, &name).await.map_err(|error| match violated_constraint(&error) {
                Some(_) => ApiError::conflict(ProblemCode::TierTaken, "there is a tier with this name"),
                None => error.into(),
            })?;
            let tier = tiers::change(&mut *db, &name, settings.as_change()).await?;
            let tier = tier.ok_or(ApiError::NotFound("tier"))?;
            note(&mut *db, &by.does("tier.created").on(On::thing("tier", &tier.name)).after(&tier)).await?;
            Ok(tier)
        })
    })
    .await?;
    if let Created::New(tier) = &created {
        tracing::info!(admin_id = %caller, tier = tier.name, "a tier was added");
    }
    Ok(created)
}

/// Change a tier
///
/// A chain applies from the next reply on, a weight and the rate limits within seconds.
#[utoipa::path(patch, path = "/admin/tiers/{name}", tag = super::TAG, security(("token" = ["tiers:write"])), params(("name" = String, Path)), request_body = ChangeTier,
    responses((status = 200, body = Tier), (status = 404, description = "no such tier")))]
pub(crate) async fn change_tier(
    State(admin): State<Arc<Admin>>,
    Caller(caller): Caller,
    Actor(by): Actor,
    Id(name): Id<String>,
    Body(change): Body<ChangeTier>,
) -> Result<Json<Tier>, ApiError> {
    let mut checks = Checks::default();
    let change = change.validate(&mut checks, &admin);
    checks.done()?;
    let missing = ApiError::NotFound("tier");
    if name.len() > MAX_NAME_CHARS || name.contains('\0') {
        return Err(missing);
    }
    let mut transaction = admin.pool.begin().await?;
    let before = tiers::lock(&mut *transaction, &name).await?;
    let tier = tiers::change(&mut *transaction, &name, change.as_change()).await?.ok_or(missing)?;
    let changed = by.does("tier.changed").on(On::thing("tier", &name)).before(before).after(&tier);
    note(&mut *transaction, &changed).await?;
    transaction.commit().await?;
    tracing::info!(admin_id = %caller, tier = tier.name, queue_weight = tier.queue_weight, chain = ?tier.chain, models = ?tier.models,
        calls_per_minute = tier.calls_per_minute, chat_per_minute = tier.chat_per_minute, "a tier was changed");
    Ok(Json(tier))
}

/// Remove a tier
///
/// It must have no users. `free` is the tier of new users, and cannot be removed.
#[utoipa::path(delete, path = "/admin/tiers/{name}", tag = super::TAG, security(("token" = ["tiers:write"])),
    params(("name" = String, Path)),
    responses((status = 204), (status = 409, description = "there are users of the tier")))]
pub(crate) async fn delete_tier(
    State(admin): State<Arc<Admin>>,
    Caller(caller): Caller,
    Actor(by): Actor,
    Id(name): Id<String>,
) -> Result<StatusCode, ApiError> {
    if name.len() > MAX_NAME_CHARS || name.contains('\0') {
        return Err(ApiError::NotFound("tier"));
    }
    if name == FREE {
        return Err(ApiError::conflict(ProblemCode::TierInUse, "new users are of this tier"));
    }
    let mut transaction = admin.pool.begin().await?;
    let there = match tiers::delete(&mut *transaction, &name).await {
        Err(sqlx::Error::Database(error)) if error.is_foreign_key_violation() => {
            return Err(ApiError::conflict(ProblemCode::TierInUse, "there are users of this tier"));
        }
        there => there?,
    };
    if !there {
        return Err(ApiError::NotFound("tier"));
    }
    if queue_state::is_waited_for(&mut *transaction, &name).await? {
        return Err(ApiError::conflict(
            ProblemCode::TierInUse,
            "there are replies to users of this tier that are not final",
        ));
    }
    note(&mut *transaction, &by.does("tier.deleted").on(On::thing("tier", &name))).await?;
    transaction.commit().await?;
    tracing::info!(admin_id = %caller, tier = name, "a tier was removed");
    Ok(StatusCode::NO_CONTENT)
}
