//! Authentication and authorization: credentials, permissions, and the middleware that checks both.

pub(crate) mod actor;
pub(crate) mod api_keys;
pub(crate) mod caller;
pub(crate) mod cookie;
mod hashing;
pub(crate) mod identity;
pub(crate) mod middleware;
pub(crate) mod password_rules;
pub(crate) mod passwords;
pub(crate) mod permissions;
pub(crate) mod revocations;
pub(crate) mod secrets;
pub(crate) mod signatures;
pub(crate) mod tokens;

use std::sync::Arc;

use sqlx::PgPool;
use troupe_core::{clock::Clock, config::Config, ports::SessionStore};

use crate::http::limits::{concurrency::ConcurrencyLimits, rate_limits::RateLimiter};

/// The state of authentication and authorization.
pub(crate) struct Auth {
    pub(crate) pool: PgPool,
    pub(crate) config: Arc<Config>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tokens: Arc<tokens::Tokens>,
    /// Browser sessions.
    pub(crate) sessions: Arc<dyn SessionStore>,
    pub(crate) revocations: revocations::RevokedCredentials,
    pub(crate) rate_limiter: RateLimiter,
    pub(crate) concurrency: ConcurrencyLimits,
}
