//! The audit log: what is noted, and what admins see of it.
//!
//! Who reads an entry after its people have deleted their accounts finds their random `subject` and no more: addresses,
//! values and the user ids are kept beside the log, and go with the account.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::ids::UserId;

/// What kind of actor it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum ActorKind {
    /// Somebody who is signed in.
    User,
    /// A program with a user's API key.
    ApiKey,
    /// A machine of the operator's.
    Service,
    /// Somebody on the command line of a server.
    Operator,
    /// A worker, by itself.
    System,
    /// Nobody that is known.
    Anonymous,
}

/// Who acts, and from where.
#[derive(Debug, Clone)]
pub struct By {
    pub kind: ActorKind,
    pub user: Option<UserId>,
    /// Of the key or the service that was used.
    pub credential: Option<String>,
    pub address: Option<IpAddr>,
    pub correlation_id: Option<String>,
}

impl By {
    /// Somebody on the command line.
    pub const OPERATOR: Self =
        Self { kind: ActorKind::Operator, user: None, credential: None, address: None, correlation_id: None };
    /// A worker, by itself.
    pub const SYSTEM: Self = Self { kind: ActorKind::System, ..Self::OPERATOR };

    /// Somebody whom the call has only now shown to be there.
    #[must_use]
    pub fn as_user(&self, user: UserId) -> Self {
        Self { kind: ActorKind::User, user: Some(user), ..self.clone() }
    }

    /// What is to be noted: a short word, and never another one for the same thing.
    pub fn does(&self, verb: &'static str) -> Act<'_> {
        Act { by: self, verb, on: None, before: Value::Null, after: Value::Null }
    }
}

/// On what. Its id must not tell who a person is: people are given as users.
#[derive(Debug, Clone)]
pub struct On {
    pub kind: &'static str,
    /// Whose it is, or who it is: what there was before and after goes with this account.
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

    /// It belongs to somebody.
    #[must_use]
    pub fn of(self, user: UserId) -> Self {
        Self { user: Some(user), ..self }
    }
}

/// What is noted: `by.does("tier.changed").on(On::thing("tier", name)).before(old).after(new)`.
#[derive(Debug, Clone)]
pub struct Act<'a> {
    pub by: &'a By,
    pub verb: &'static str,
    pub on: Option<On>,
    /// Null where it says nothing.
    pub before: Value,
    pub after: Value,
}

impl Act<'_> {
    #[must_use]
    pub fn on(self, on: On) -> Self {
        Self { on: Some(on), ..self }
    }

    /// On something, or on nothing that is known.
    #[must_use]
    pub fn maybe_on(self, on: Option<On>) -> Self {
        Self { on, ..self }
    }

    /// What there was. Neither here nor in [`Act::after`] a secret, or a word that was said.
    #[must_use]
    pub fn before(self, value: impl Serialize) -> Self {
        Self { before: serde_json::to_value(value).unwrap_or_default(), ..self }
    }

    /// What there is now, or what else tells of it.
    #[must_use]
    pub fn after(self, value: impl Serialize) -> Self {
        Self { after: serde_json::to_value(value).unwrap_or_default(), ..self }
    }
}

/// Who acted.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AuditActor {
    pub kind: ActorKind,
    /// By which the log knows this person.
    pub subject: Option<Uuid>,
    /// Null for somebody whose account is deleted.
    pub user_id: Option<UserId>,
    /// Of the key or the service that was used.
    pub id: Option<String>,
}

/// On what.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AuditTarget {
    #[schema(example = "tier")]
    pub kind: String,
    pub subject: Option<Uuid>,
    /// Whose it is, or who it is.
    pub user_id: Option<UserId>,
    #[schema(example = "free")]
    pub id: Option<String>,
}

/// An entry of the audit log.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AuditEntry {
    /// 1 is the first; there is none missing.
    pub position: i64,
    pub at: DateTime<Utc>,
    pub actor: AuditActor,
    #[schema(example = "tier.changed")]
    pub verb: String,
    pub target: Option<AuditTarget>,
    /// From where.
    #[schema(example = "192.0.2.7")]
    pub address: Option<String>,
    pub before: Option<Value>,
    pub after: Option<Value>,
    pub correlation_id: Option<String>,
    /// SHA-256 of the hash of the entry before and of this entry.
    pub hash: String,
}
