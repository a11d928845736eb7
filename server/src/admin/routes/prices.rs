//! Prices of models. Model names contain slashes, so they are query parameters.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use troupe_core::model::{
    audit::On,
    money::{ANY, Price, Rate},
    providers::is_alias,
};
use troupe_db::{Page, money::prices};
use utoipa::{IntoParams, ToSchema};

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

const HIGHEST: f64 = 1e6;

/// A model of the provider.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WhichModel {
    /// By default every model that has no price of its own.
    #[serde(default = "any")]
    #[param(example = "meta-llama/Llama-3")]
    model: String,
}

fn any() -> String {
    ANY.to_owned()
}

/// For a million tokens, in the operator's currency.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetPrice {
    #[schema(example = 0.5, minimum = 0, maximum = 1_000_000)]
    prompt_price: f64,
    #[schema(example = 2.0, minimum = 0, maximum = 1_000_000)]
    completion_price: f64,
}

fn named<'a>(checks: &'a mut Checks, provider: &str, model: &str) -> &'a mut Checks {
    checks
        .rule(is_alias(provider), "provider", "must be 1 to 40 lower-case letters, digits, '-' and '_'")
        .text("model", model, 1..=200)
        .rule(!model.contains(char::is_whitespace), "model", "must not contain white space")
}

/// The prices, by provider and model
#[utoipa::path(get, path = "/admin/prices", tag = TAG, security(("token" = ["tiers:read"])), params(Paging), responses((status = 200, body = Listed<Price>)))]
pub(crate) async fn list_prices(
    State(admin): State<Arc<Admin>>,
    Params(paging): Params<Paging>,
) -> Result<Json<Listed<Price>>, ApiError> {
    let Page { after, limit } = paging.page::<Pair>()?;
    let items = prices::list(&admin.pool, Page { after: after.map(Into::into), limit }).await?;
    Ok(Json(Listed::new(items, limit, |price| format!("{}/{}", price.provider, price.model))))
}

/// Set the price of a model
///
/// Applies to replies that begin some seconds later (`models.prices_refresh`). Earlier spending is unchanged.
#[utoipa::path(put, path = "/admin/prices/{provider}", tag = TAG, security(("token" = ["tiers:write"])), params(("provider" = String, Path), WhichModel),
    request_body = SetPrice, responses((status = 204)))]
pub(crate) async fn set_price(
    State(admin): State<Arc<Admin>>,
    Caller(caller): Caller,
    Actor(by): Actor,
    Id(provider): Id<String>,
    Params(WhichModel { model }): Params<WhichModel>,
    Body(SetPrice { prompt_price, completion_price }): Body<SetPrice>,
) -> Result<StatusCode, ApiError> {
    let mut checks = Checks::default();
    named(&mut checks, &provider, &model);
    for (field, price) in [("prompt_price", prompt_price), ("completion_price", completion_price)] {
        checks.rule((0.0..=HIGHEST).contains(&price), field, format!("must be from 0 to {HIGHEST}"));
    }
    checks.done()?;
    let rate = Rate { prompt_price, completion_price };
    let mut transaction = admin.pool.begin().await?;
    let before = prices::lock(&mut *transaction, &provider, &model).await?;
    prices::set(&mut *transaction, &provider, &model, rate).await?;
    let price = On::thing("price", format!("{provider}/{model}"));
    note(&mut *transaction, &by.does("price.set").on(price).before(before).after(rate)).await?;
    transaction.commit().await?;
    tracing::info!(admin_id = %caller, provider, model, prompt_price, completion_price, "a price is set");
    Ok(StatusCode::NO_CONTENT)
}

/// Remove a price
///
/// The model then has the price of the provider's other models (`*`), or none.
#[utoipa::path(delete, path = "/admin/prices/{provider}", tag = TAG, security(("token" = ["tiers:write"])), params(("provider" = String, Path), WhichModel),
    responses((status = 204), (status = 404, description = "no such price")))]
pub(crate) async fn remove_price(
    State(admin): State<Arc<Admin>>,
    Caller(caller): Caller,
    Actor(by): Actor,
    Id(provider): Id<String>,
    Params(WhichModel { model }): Params<WhichModel>,
) -> Result<StatusCode, ApiError> {
    named(&mut Checks::default(), &provider, &model).done()?;
    let mut transaction = admin.pool.begin().await?;
    let before = prices::lock(&mut *transaction, &provider, &model).await?;
    if !prices::remove(&mut *transaction, &provider, &model).await? {
        return Err(ApiError::NotFound("price"));
    }
    let price = On::thing("price", format!("{provider}/{model}"));
    note(&mut *transaction, &by.does("price.removed").on(price).before(before)).await?;
    transaction.commit().await?;
    tracing::info!(admin_id = %caller, provider, model, "a price is removed");
    Ok(StatusCode::NO_CONTENT)
}
