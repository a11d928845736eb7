//! A cache: entries may be lost at any moment.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::PortError;

/// Hits and misses since the start of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lookups {
    pub hits: u64,
    pub misses: u64,
}

/// Caches values of one kind, with a time to live.
#[async_trait]
pub trait Cache: Send + Sync {
    /// Counts as a hit or a miss.
    async fn get(&self, key: &str) -> Result<Option<Bytes>, PortError>;
    /// Replaces an existing value.
    async fn put(&self, key: &str, value: Bytes, time_to_live: Duration) -> Result<(), PortError>;
    async fn lookups(&self) -> Result<Lookups, PortError>;
}
