//! Who is calling, and what they may: credentials, permissions, and the door that asks for both.

pub(crate) mod actor;
pub(crate) mod caller;
pub(crate) mod cookie;
mod hashing;
pub(crate) mod identity;
pub(crate) mod keys;
pub(crate) mod middleware;
pub(crate) mod password_rules;
pub(crate) mod passwords;
pub(crate) mod permissions;
pub(crate) mod revocations;
pub(crate) mod secrets;
pub(crate) mod signatures;
pub(crate) mod tokens;
