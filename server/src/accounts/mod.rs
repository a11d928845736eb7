//! Accounts: registering, signing in and out, passwords and their resets, API keys, exports and deletion of
//! personal data.

pub(crate) mod account_data;
pub(crate) mod api_keys;
pub(crate) mod demo_account;
pub(crate) mod first_admin;
pub(crate) mod import_users;
pub(crate) mod invitations;
pub(crate) mod password_resets;
pub(crate) mod passwords;
pub(crate) mod register;
pub(crate) mod routes;
pub(crate) mod sign_ins;
