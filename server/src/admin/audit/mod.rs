//! Reading the audit log: export, and verification of its chain. Entries are appended by [`crate::audit`].

mod chain;
pub(crate) mod export;
pub(crate) mod verify;
