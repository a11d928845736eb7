//! What anybody may have of this server: how often they may call, how many calls there may be at once, how long each
//! may take.
//!
//! [`classes`] says for each address of the API what holds for it; nothing else does.

pub(crate) mod concurrency;
pub(crate) mod rate_limits;
pub(crate) mod route_classes;
mod tiers;
