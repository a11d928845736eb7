//! Accounts: registering and verifying an address, signing in and out, passwords and their resets, API keys, exports
//! and deletion of personal data.

pub(crate) mod account_data;
pub(crate) mod api_keys;
pub(crate) mod email_verifications;
mod emails;
pub(crate) mod first_admin;
pub(crate) mod import_users;
pub(crate) mod invitations;
pub(crate) mod password_resets;
pub(crate) mod passwords;
pub(crate) mod register;
pub(crate) mod routes;
pub(crate) mod sign_ins;

use std::sync::Arc;

use sqlx::PgPool;
use troupe_core::{clock::Clock, config::Config};

use crate::auth::{Auth, passwords::Passwords};

pub(crate) struct Accounts {
    pub(crate) pool: PgPool,
    pub(crate) config: Arc<Config>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) auth: Arc<Auth>,
    pub(crate) passwords: Passwords,
}
