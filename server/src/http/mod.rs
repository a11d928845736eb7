//! HTTP for every feature: errors as problems, extractors, middleware, limits, serving, idempotent creation.
//!
//! Nothing here depends on a feature or on the caller's identity: [`crate::auth`] is built on top of this.

pub(crate) mod byte_range;
pub(crate) mod error;
pub(crate) mod etag;
pub(crate) mod extract;
pub(crate) mod idempotent;
pub(crate) mod limits;
pub(crate) mod middleware;
pub(crate) mod serve;

use std::sync::Arc;

use troupe_core::config;

use limits::concurrency::ConcurrencyLimits;

/// The state of the outermost middleware.
pub(crate) struct Http {
    /// Inserted into the extensions of each request, where extractors find it.
    pub(crate) config: Arc<config::Server>,
    pub(crate) concurrency: ConcurrencyLimits,
    /// The share of calls that get a line in the log.
    pub(crate) access_log: f64,
}
