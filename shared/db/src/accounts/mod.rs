//! Accounts: users and tiers, their credentials, and the jobs that export and delete them.

pub mod account_jobs;
pub mod admin_users;
pub mod api_keys;
pub mod deletions;
pub mod email_verifications;
pub mod exports;
pub mod invitations;
pub mod passwords;
pub mod push_subscriptions;
pub mod services;
pub mod sign_ins;
pub mod signing_keys;
pub mod socket_tickets;
pub mod tiers;
pub mod users;
