//! The audit log for admins: export, and verification of its hash chain. Entries are appended by [`crate::audit`].

mod chain;
pub(crate) mod export;
pub(crate) mod verify;
pub(crate) mod watch;
