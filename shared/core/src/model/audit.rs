//! The audit log: what is recorded, and what is shown to admins.
//!
//! After the deletion of an account the entries have only its random `subject`: addresses, values and user ids are kept
//! beside the log, and deleted with the account.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::ids::UserId;

/// The kind of actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum ActorKind {
    /// A signed-in user.
    User,
    /// A program with a user's API key.
    ApiKey,
    /// A machine of the operator's.
    Service,
    /// An operator on the command line of a server.
    Operator,
    /// A worker, on its own.
    System,
    /// An unauthenticated caller.
    Anonymous,
}

/// The actor, and the address of the call.
#[derive(Debug, Clone)]
pub struct By {
    pub kind: ActorKind,
    pub user: Option<UserId>,
    /// The id of the API key or the service.
    pub credential: Option<String>,
    pub address: Option<IpAddr>,
    pub correlation_id: Option<String>,
}

impl By {
    /// An operator on the command line.
    pub const OPERATOR: Self =
        Self { kind: ActorKind::Operator, user: None, credential: None, address: None, correlation_id: None };
    /// A worker, on its own.
    pub const SYSTEM: Self = Self { kind: ActorKind::System, ..Self::OPERATOR };

    /// A caller who was authenticated by the call itself.
    #[must_use]
    pub fn as_user(&self, user: UserId) -> Self {
        Self { kind: ActorKind::User, user: Some(user), ..self.clone() }
    }

    /// The action to record: a stable identifier.
    pub fn does(&self, verb: &'static str) -> Act<'_> {
        Act { by: self, verb, on: None, before: Value::Null, after: Value::Null }
    }
}

/// The object of an action. Its id must not identify a person: people are given as users.
#[derive(Debug, Clone)]
pub struct On {
    pub kind: &'static str,
    /// The owner, or the user itself: the values before and after are deleted with this account.
    pub user: Option<UserId>,
    pub id: Option<String>,
}

impl On {
    pub fn user(user: UserId) -> Self {
        Self { kind: "user", user: Some(user), id: None }
    }

    /// A machine's account.
    pub fn service(service: UserId) -> Self {
        Self { kind: "service", user: Some(service), id: None }
    }

    #[expect(clippy::needless_pass_by_value, reason = "ids and names come as they are")]
    pub fn thing(kind: &'static str, id: impl ToString) -> Self {
        Self { kind, user: None, id: Some(id.to_string()) }
    }

    /// Sets the owner.
    #[must_use]
    pub fn of(self, user: UserId) -> Self {
        Self { user: Some(user), ..self }
    }
}

/// An entry to append: `by.does("tier.changed").on(On::thing("tier", name)).before(old).after(new)`.
#[derive(Debug, Clone)]
pub struct Act<'a> {
    pub by: &'a By,
    pub verb: &'static str,
    pub on: Option<On>,
    /// Null where there is none.
    pub before: Value,
    pub after: Value,
}

impl Act<'_> {
    #[must_use]
    pub fn on(self, on: On) -> Self {
        Self { on: Some(on), ..self }
    }

    /// The object, if there is one.
    #[must_use]
    pub fn maybe_on(self, on: Option<On>) -> Self {
        Self { on, ..self }
    }

    /// The state before. Neither this nor [`Act::after`] may hold a secret, or content of users.
    #[must_use]
    pub fn before(self, value: impl Serialize) -> Self {
        Self { before: serde_json::to_value(value).unwrap_or_default(), ..self }
    }

    /// The state after, or other details.
    #[must_use]
    pub fn after(self, value: impl Serialize) -> Self {
        Self { after: serde_json::to_value(value).unwrap_or_default(), ..self }
    }
}

/// The actor.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AuditActor {
    pub kind: ActorKind,
    /// The pseudonym of this person in the log.
    pub subject: Option<Uuid>,
    /// Null where the account is deleted.
    pub user_id: Option<UserId>,
    /// The id of the API key or the service.
    pub id: Option<String>,
}

/// The object.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AuditTarget {
    #[schema(example = "tier")]
    pub kind: String,
    pub subject: Option<Uuid>,
    /// The owner, or the user itself.
    pub user_id: Option<UserId>,
    #[schema(example = "free")]
    pub id: Option<String>,
}

/// An entry of the audit log.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AuditEntry {
    /// Starts at 1, without gaps.
    pub position: i64,
    pub at: DateTime<Utc>,
    pub actor: AuditActor,
    #[schema(example = "tier.changed")]
    pub verb: String,
    pub target: Option<AuditTarget>,
    /// The address of the call.
    #[schema(example = "192.0.2.7")]
    pub address: Option<String>,
    pub before: Option<Value>,
    pub after: Option<Value>,
    pub correlation_id: Option<String>,
    /// SHA-256 of the hash of the entry before and of this entry.
    pub hash: String,
}
