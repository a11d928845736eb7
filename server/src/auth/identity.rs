//! The authenticated user and the credential of a call.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use troupe_core::{
    ids::{CredentialId, UserId},
    ports::BrowserSession,
};
use utoipa::ToSchema;

use super::permissions::Scopes;
use crate::http::limits::rate_limits::UserOfTier;

/// The authenticated user, set by [`super::middleware`]. A ticket for a socket keeps all of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) user: UserId,
    /// As of the time when the credential was issued or looked up.
    pub(crate) tier: String,
    pub(crate) credential: Credential,
}

/// The credential of a call.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Credential {
    pub(crate) id: CredentialId,
    pub(crate) kind: CredentialKind,
    pub(crate) scopes: Scopes,
    /// Unless revoked before; that of a session moves on with its use.
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CredentialKind {
    /// An access token; the id is that of the sign-in.
    Token,
    /// A browser's session, by cookie.
    Session,
    /// A program's key.
    Key,
    /// The same, and this call is signed with it.
    SignedKey,
}

impl Credential {
    pub(crate) fn is_key(self) -> bool {
        matches!(self.kind, CredentialKind::Key | CredentialKind::SignedKey)
    }
}

impl Identity {
    pub(crate) fn as_user_of_tier(&self) -> UserOfTier<'_> {
        UserOfTier { user: self.user, tier: &self.tier }
    }

    /// The identity of a browser session, which ends after `idle` without use.
    pub(crate) fn of_browser(session: BrowserSession, idle: Duration) -> Self {
        let credential = Credential {
            id: session.id,
            kind: CredentialKind::Session,
            scopes: Scopes::ALL,
            expires_at: Some(session.ends_at.min(session.last_used_at + idle)),
        };
        Self { user: session.user, tier: session.tier, credential }
    }
}
