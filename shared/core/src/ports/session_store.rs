//! Where browsers' sessions are kept.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::PortError;
use crate::ids::{CredentialId, UserId};

/// A browser that is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrowserSession {
    pub id: CredentialId,
    pub user: UserId,
    pub tier: String,
    pub created_at: DateTime<Utc>,
    pub last_used_at: DateTime<Utc>,
    /// However often it is used, it ends then.
    pub ends_at: DateTime<Utc>,
    /// What the browser called itself, and where it was: for its user, who may not recognise it.
    pub agent: Option<String>,
    pub address: Option<String>,
}

#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Keeps a session under the digest of its secret.
    async fn create(&self, session: &BrowserSession, digest: &[u8]) -> Result<(), PortError>;
    /// The session whose secret has this digest, which is used hereby; `None` where it is over.
    async fn touch(&self, user: UserId, id: CredentialId, digest: &[u8]) -> Result<Option<BrowserSession>, PortError>;
    /// All of a user's that are not over.
    async fn list(&self, user: UserId) -> Result<Vec<BrowserSession>, PortError>;
    /// Says whether there was such a one.
    async fn end(&self, user: UserId, id: CredentialId) -> Result<bool, PortError>;
    /// The user is of another tier from now on.
    async fn change_tier(&self, user: UserId, tier: &str) -> Result<(), PortError>;
}
