//! Daily budgets: of users, tiers, personas, and everyone.
//!
//! Personas are given by slug here and by id in the table, so another persona never takes over a budget. The budget of
//! a deleted persona is listed and removed by the id.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use troupe_core::{
    ids::UserId,
    model::{
        audit::On,
        money::{ANY, Budget, Scope},
    },
};
use troupe_db::{
    Page,
    accounts::{tiers, users},
    money::budgets,
};
use utoipa::ToSchema;

use super::TAG;
use crate::{
    admin::Admin,
    audit::note,
    auth::{actor::Actor, caller::Caller},
    http::{
        error::ApiError,
        extract::{
            body::Body,
            paging::{Listed, Paging, Pair, Params},
            path::Id,
            validation::Checks,
        },
    },
};

const HIGHEST: f64 = 1e12;
const NO_SCOPE: ApiError = ApiError::NotFound("scope: budgets are of a user, tier, tier_user, persona or everyone");

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetBudget {
    /// From midnight to midnight UTC, in the currency of the prices. 0 forbids anything that costs something.
    #[schema(example = 5.0, minimum = 0)]
    daily_limit: f64,
}

/// Budgets, and today's spending
#[utoipa::path(get, path = "/admin/budgets", tag = TAG, security(("token" = ["tiers:read"])), params(Paging), responses((status = 200, body = Listed<Budget>)))]
pub(crate) async fn list_budgets(
    State(admin): State<Arc<Admin>>,
    Params(paging): Params<Paging>,
) -> Result<Json<Listed<Budget>>, ApiError> {
    let Page { after, limit } = paging.page::<Pair>()?;
    let items = budgets::list(&admin.pool, Page { after: after.map(Into::into), limit }).await?;
    Ok(Json(Listed::new(items, limit, |budget| format!("{}/{}", budget.scope, budget.stored_subject))))
}

/// Set a daily budget
///
/// The subject is a user's id, a tier's name, a persona's slug, or `*` for everyone. Counts for replies that begin some
/// seconds later (`models.prices_refresh`); spending is counted from then on.
#[utoipa::path(put, path = "/admin/budgets/{scope}/{subject}", tag = TAG, security(("token" = ["tiers:write"])),
    params(("scope" = Scope, Path), ("subject" = String, Path)), request_body = SetBudget,
    responses((status = 204), (status = 404, description = "no such scope or subject")))]
pub(crate) async fn set_budget(
    State(admin): State<Arc<Admin>>,
    Caller(caller): Caller,
    Actor(by): Actor,
    Id((scope, subject)): Id<(String, String)>,
    Body(SetBudget { daily_limit }): Body<SetBudget>,
) -> Result<StatusCode, ApiError> {
    let scope = scope.parse().map_err(|_| NO_SCOPE)?;
    let sound = (0.0..=HIGHEST).contains(&daily_limit);
    Checks::default().rule(sound, "daily_limit", format!("must be from 0 to {HIGHEST}")).done()?;
    let subject = stored(&admin, scope, &subject).await?.ok_or(ApiError::NotFound(match scope {
        Scope::User => "user",
        Scope::Tier | Scope::TierUser => "tier",
        Scope::Persona => "persona",
        Scope::Everyone => "subject: everyone is *",
    }))?;
    let mut transaction = admin.pool.begin().await?;
    let before = budgets::hold_limit(&mut *transaction, scope, &subject).await?;
    budgets::set(&mut *transaction, scope, &subject, daily_limit).await?;
    let set = by.does("budget.set").on(budget_of(scope, &subject)).before(before).after(daily_limit);
    note(&mut *transaction, &set).await?;
    transaction.commit().await?;
    tracing::info!(admin_id = %caller, %scope, subject, daily_limit, "a budget is set");
    Ok(StatusCode::NO_CONTENT)
}

/// Remove a budget
#[utoipa::path(delete, path = "/admin/budgets/{scope}/{subject}", tag = TAG, security(("token" = ["tiers:write"])),
    params(("scope" = Scope, Path), ("subject" = String, Path)),
    responses((status = 204), (status = 404, description = "no such budget")))]
pub(crate) async fn remove_budget(
    State(admin): State<Arc<Admin>>,
    Caller(caller): Caller,
    Actor(by): Actor,
    Id((scope, subject)): Id<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let scope = scope.parse().map_err(|_| NO_SCOPE)?;
    // A deleted subject may still have a budget, under its stored name.
    let subject = stored(&admin, scope, &subject).await?.unwrap_or(subject);
    let missing = ApiError::NotFound("budget");
    if subject.contains('\0') {
        return Err(missing);
    }
    let mut transaction = admin.pool.begin().await?;
    let before = budgets::hold_limit(&mut *transaction, scope, &subject).await?.ok_or(missing)?;
    budgets::remove(&mut *transaction, scope, &subject).await?;
    note(&mut *transaction, &by.does("budget.removed").on(budget_of(scope, &subject)).before(before)).await?;
    transaction.commit().await?;
    tracing::info!(admin_id = %caller, %scope, subject, "a budget is removed");
    Ok(StatusCode::NO_CONTENT)
}

/// A budget as the audit log has it, which has its own pseudonyms of users.
fn budget_of(scope: Scope, subject: &str) -> On {
    match subject.parse() {
        Ok(user) if scope == Scope::User => On { user: Some(user), id: None, kind: "budget" },
        _ => On::thing("budget", format!("{scope}/{subject}")),
    }
}

/// The subject as stored; `None` where there is no such user, tier or persona.
async fn stored(admin: &Admin, scope: Scope, subject: &str) -> Result<Option<String>, ApiError> {
    if subject.contains('\0') {
        return Ok(None);
    }
    Ok(match scope {
        Scope::User => match subject.parse::<UserId>() {
            Ok(id) => users::find(&admin.pool, id).await?.map(|user| user.id.to_string()),
            Err(_) => None,
        },
        Scope::Tier | Scope::TierUser => {
            tiers::list(&admin.pool).await?.into_iter().map(|tier| tier.name).find(|name| name == subject)
        }
        Scope::Persona => budgets::persona(&admin.pool, subject).await?.map(|id| id.to_string()),
        Scope::Everyone => (subject == ANY).then(|| ANY.to_owned()),
    })
}
