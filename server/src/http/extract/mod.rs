//! Extractors: handlers get validated input, or are not called at all.

pub(crate) mod body;
pub(crate) mod client_address;
pub(crate) mod correlation;
pub(crate) mod device;
pub(crate) mod idempotency;
pub(crate) mod message_headers;
pub(crate) mod paging;
pub(crate) mod path;
pub(crate) mod read_body;
pub(crate) mod upload;
pub(crate) mod validation;
