//! What workers tell each other, and admins, of the providers. All of it may get lost: each worker finds out for itself
//! then.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::PortError;
use crate::model::providers::Rest;

/// In the place of an endpoint, where it is counted how passages were looked for.
pub const LOOK_UPS: &str = "look_ups";

/// How an endpoint stands since a change: resting, or well again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    pub changed: DateTime<Utc>,
    pub rest: Option<Rest>,
}

/// Endpoints are named as in links: `openai#spare`.
#[async_trait]
pub trait ProviderBoard: Send + Sync {
    async fn tell(&self, endpoint: &str, news: &News) -> Result<(), PortError>;
    /// The newest of every endpoint that there was any of.
    async fn news(&self) -> Result<HashMap<String, News>, PortError>;
    /// Whether it is the caller who finds out if the endpoint may be asked again; nobody else for so long.
    async fn take_probe(&self, endpoint: &str, lasting: Duration) -> Result<bool, PortError>;
    /// Adds to the counters of the minute, and notes the endpoints that have spoken by now.
    async fn count(&self, now: DateTime<Utc>, counts: &[(String, u64)], spoke: &[String]) -> Result<(), PortError>;
    /// The counters of so many minutes until now, added up.
    async fn counted(&self, now: DateTime<Utc>, minutes: u32) -> Result<HashMap<String, u64>, PortError>;
    /// When each endpoint has spoken last.
    async fn spoke(&self) -> Result<HashMap<String, DateTime<Utc>>, PortError>;
}
