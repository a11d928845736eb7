//! The store of browser sessions.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::PortError;
use crate::ids::{CredentialId, UserId};

/// A browser session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrowserSession {
    pub id: CredentialId,
    pub user: UserId,
    pub tier: String,
    pub created_at: DateTime<Utc>,
    pub last_used_at: DateTime<Utc>,
    /// The maximum lifetime, regardless of use.
    pub ends_at: DateTime<Utc>,
    /// The user agent and address, shown to the user.
    pub agent: Option<String>,
    pub address: Option<String>,
}

#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Stores a session under the digest of its secret.
    async fn create(&self, session: &BrowserSession, digest: &[u8]) -> Result<(), PortError>;
    /// Finds the session by the digest of its secret, and records the use; `None` where it has ended.
    async fn touch(&self, user: UserId, id: CredentialId, digest: &[u8]) -> Result<Option<BrowserSession>, PortError>;
    /// All sessions of a user that have not ended.
    async fn list(&self, user: UserId) -> Result<Vec<BrowserSession>, PortError>;
    /// `false` where there was none.
    async fn end(&self, user: UserId, id: CredentialId) -> Result<bool, PortError>;
    /// Updates the tier in all sessions of a user.
    async fn change_tier(&self, user: UserId, tier: &str) -> Result<(), PortError>;
}
