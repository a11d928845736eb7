//! What a handler is given: checked, or the call never reaches it.

pub(crate) mod auth;
pub(crate) mod body;
mod by;
pub(crate) mod checks;
pub(crate) mod client_address;
pub(crate) mod correlation;
pub(crate) mod device;
pub(crate) mod idempotency;
pub(crate) mod paging;
pub(crate) mod path;
pub(crate) mod receiving;
pub(crate) mod sending;
pub(crate) mod upload;
