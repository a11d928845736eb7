//! Accounts over HTTP.

pub(crate) mod account_data;
mod accounts;
mod api_keys;
mod email_verifications;
mod passwords;
mod sign_ins;

use axum::extract::FromRef;
use std::sync::Arc;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::accounts::Accounts;

pub(crate) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Accounts>: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(accounts::register))
        .routes(routes!(sign_ins::login))
        .routes(routes!(sign_ins::refresh))
        .routes(routes!(sign_ins::logout))
        .routes(routes!(sign_ins::list_sign_ins, sign_ins::end_other_sign_ins))
        .routes(routes!(sign_ins::end_sign_in))
        .routes(routes!(passwords::change_password))
        .routes(routes!(passwords::ask_for_reset, passwords::reset_password))
        .routes(routes!(email_verifications::ask_for_verification, email_verifications::verify_email))
        .routes(routes!(accounts::me, account_data::close_account))
        .routes(routes!(account_data::create_export))
        .routes(routes!(account_data::read_export))
        .routes(routes!(account_data::read_export_content))
        .routes(routes!(account_data::read_deletion))
        .routes(routes!(accounts::my_budget))
        .routes(routes!(api_keys::create_api_key, api_keys::list_api_keys))
        .routes(routes!(api_keys::delete_api_key))
}
