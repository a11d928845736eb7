//! Accounts: signing in and out, passwords, keys, roles, and what becomes of a person's data.

mod account_data;
mod admin_users;
mod api_keys;
mod email_verifications;
mod invitations;
pub(crate) mod password_resets;
pub(crate) mod passwords;
mod registration;
mod sign_ins;
