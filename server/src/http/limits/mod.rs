//! Limits on calls: rate limits, concurrency limits, time limits.
//!
//! [`route_classes`] is the only table of which limits apply to which route.

pub(crate) mod concurrency;
pub(crate) mod rate_limits;
pub(crate) mod route_classes;
mod tiers;
