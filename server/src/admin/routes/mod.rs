//! Routes of admins; 403 for all others.

mod account_data;
mod audit;
mod budgets;
mod dead_letters;
mod health;
mod invitations;
mod jobs;
mod personas;
mod prices;
pub(crate) mod provider_status;
mod queue;
mod requests;
mod services;
mod signing_keys;
mod statistics;
mod system;
mod tiers;
mod users;
mod workers;

use axum::extract::FromRef;
use std::sync::Arc;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::admin::Admin;

/// The tag of these operations, by which the API's description gives them the response 403.
pub(crate) const TAG: &str = "admin";

/// Of a change that the audit log gives a reason for.
const MAX_REASON_CHARACTERS: usize = 500;

pub(crate) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Admin>: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(provider_status::read_ai_status))
        .routes(routes!(health::read_detailed_health))
        .routes(routes!(account_data::create_users_export))
        .routes(routes!(account_data::read_users_export))
        .routes(routes!(account_data::close_users_account))
        .routes(routes!(audit::list_audit))
        .routes(routes!(audit::export_audit))
        .routes(routes!(audit::verify_audit))
        .routes(routes!(queue::read_queue))
        .routes(routes!(statistics::read_queue_history))
        .routes(routes!(statistics::read_statistics))
        .routes(routes!(system::read_system))
        .routes(routes!(requests::explain_waiting))
        .routes(routes!(requests::list_request_events))
        .routes(routes!(requests::cancel_any_request))
        .routes(routes!(tiers::list_tiers, tiers::create_tier))
        .routes(routes!(tiers::change_tier, tiers::delete_tier))
        .routes(routes!(users::list_users))
        .routes(routes!(users::read_user, users::change_user))
        .routes(routes!(users::sign_user_out))
        .routes(routes!(dead_letters::list_dead_letters))
        .routes(routes!(dead_letters::read_dead_letter))
        .routes(routes!(dead_letters::retry_dead_letter))
        .routes(routes!(dead_letters::discard_dead_letter))
        .routes(routes!(dead_letters::retry_dead_letters))
        .routes(routes!(dead_letters::discard_dead_letters))
        .routes(routes!(jobs::list_jobs))
        .routes(routes!(jobs::read_job))
        .routes(routes!(jobs::retry_job))
        .routes(routes!(jobs::discard_job))
        .routes(routes!(jobs::retry_jobs))
        .routes(routes!(jobs::discard_jobs))
        .routes(routes!(workers::list_workers))
        .routes(routes!(workers::change_worker))
        .routes(routes!(services::create_service, services::list_services))
        .routes(routes!(services::delete_service))
        .routes(routes!(services::create_service_token, services::list_service_tokens))
        .routes(routes!(services::delete_service_token))
        .routes(routes!(signing_keys::list_signing_keys, signing_keys::rotate_signing_keys))
        .routes(routes!(invitations::create_invitation, invitations::list_invitations))
        .routes(routes!(invitations::delete_invitation))
        .routes(routes!(personas::list_all_personas))
        .routes(routes!(personas::read_any_persona, personas::delete_any_persona))
        .routes(routes!(personas::hide_persona))
        .routes(routes!(personas::unhide_persona))
        .routes(routes!(prices::list_prices))
        .routes(routes!(prices::set_price, prices::remove_price))
        .routes(routes!(budgets::list_budgets))
        .routes(routes!(budgets::set_budget, budgets::remove_budget))
}
