//! HTTP, for every feature: errors as problems, extractors, middleware, limits, serving, idempotent creation.
//!
//! Nothing here knows a feature, or who is calling: that is [`crate::auth`], which stands on this.

pub(crate) mod error;
pub(crate) mod extract;
pub(crate) mod idempotent;
pub(crate) mod limits;
pub(crate) mod middleware;
pub(crate) mod serve;
