//! The providers' state, shared between workers and shown to admins. It may get lost: then each worker finds out for
//! itself.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::PortError;
use crate::model::providers::Rest;

/// Stands for an endpoint in the counters of retrieval modes.
pub const LOOK_UPS: &str = "look_ups";

/// The state of an endpoint since its last change: resting, or well again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointState {
    pub changed: DateTime<Utc>,
    pub rest: Option<Rest>,
}

/// Endpoints are named as in links: `openai#spare`.
#[async_trait]
pub trait ProviderBoard: Send + Sync {
    async fn publish(&self, endpoint: &str, state: &EndpointState) -> Result<(), PortError>;
    /// The newest published state of every endpoint.
    async fn states(&self) -> Result<HashMap<String, EndpointState>, PortError>;
    /// Whether the caller may probe the endpoint; for the given time nobody else may.
    async fn take_probe(&self, endpoint: &str, lasting: Duration) -> Result<bool, PortError>;
    /// Adds to the counters of the minute, and records a success of each of `succeeded`.
    async fn count(&self, now: DateTime<Utc>, counts: &[(String, u64)], succeeded: &[String]) -> Result<(), PortError>;
    /// The sums of the counters over the last `minutes`.
    async fn counts(&self, now: DateTime<Utc>, minutes: u32) -> Result<HashMap<String, u64>, PortError>;
    /// The last success of each endpoint.
    async fn last_successes(&self) -> Result<HashMap<String, DateTime<Utc>>, PortError>;
}
