//! What workers tell each other, and admins, of the providers. All of it may get lost: each worker finds out for itself then.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::PortError;
use crate::model::providers::Rest;

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
    /// Adds to the counters of a minute since the epoch.
    async fn count(&self, minute: i64, counts: &[(String, u64)]) -> Result<(), PortError>;
    /// The counters of these minutes, added up.
    async fn counted(&self, minutes: &[i64]) -> Result<HashMap<String, u64>, PortError>;
}
