//! What may be forgotten at any moment.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::PortError;

/// How often something was found and was not, since the cache began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lookups {
    pub hits: u64,
    pub misses: u64,
}

/// Keeps things of one kind for a while.
#[async_trait]
pub trait Cache: Send + Sync {
    /// Counts as a hit or a miss.
    async fn get(&self, key: &str) -> Result<Option<Bytes>, PortError>;
    /// In the place of what is under the key, if anything is.
    async fn put(&self, key: &str, value: Bytes, time_to_live: Duration) -> Result<(), PortError>;
    async fn lookups(&self) -> Result<Lookups, PortError>;
}
