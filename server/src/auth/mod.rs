//! Who is calling, and what they may: credentials, permissions, and the door that asks for both.

pub(crate) mod cookie;
pub(crate) mod door;
pub(crate) mod endings;
mod hashing;
pub(crate) mod identity;
pub(crate) mod keys;
pub(crate) mod password_rules;
pub(crate) mod passwords;
pub(crate) mod permissions;
pub(crate) mod secrets;
pub(crate) mod signatures;
pub(crate) mod tokens;
