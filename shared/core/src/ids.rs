//! Identifiers: `UUIDv7` newtypes, so that ids of different types cannot be mixed up, and new rows are adjacent in
//! indexes.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema, sqlx::Type)]
        #[serde(transparent)]
        #[sqlx(transparent)]
        #[schema(value_type = Uuid)]
        pub struct $name(Uuid);

        impl $name {
            /// The id of nothing.
            pub const NOBODY: Self = Self(Uuid::nil());

            #[expect(clippy::disallowed_methods, reason = "the one place that makes ids")]
            #[expect(clippy::new_without_default, reason = "a default would look like a value, and every call differs")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    )+};
}

ids! {
    UserId,
    /// A sign-in, a browser session or an API key.
    CredentialId,
    /// An invitation to register.
    InvitationId,
    PersonaId,
    ConversationId,
    MessageId,
    /// A question of the interview.
    QuestionId,
    /// The owner's answer to one question.
    ResponseId,
    /// A memory of a user.
    MemoryId,
    /// One reply to be generated.
    RequestId,
    /// One open socket.
    SessionId,
    /// A running server or worker.
    ProcessId,
    DocumentId,
    /// An export of a user's data, or its deletion.
    AccountJobId,
    /// A job of leased work.
    JobId,
    /// A passage of a persona's knowledge. Derived from its content instead of created by `new`: see [`PassageId::of`].
    PassageId,
}

impl PassageId {
    /// Deterministic: the same passage of the same source has the same id.
    pub fn of(source: &str, ordinal: u32, content: &str) -> Self {
        let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
        digest.update(format!("{source} {ordinal}\n").as_bytes());
        digest.update(content.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest.finish().as_ref()[..16]);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

impl RequestId {
    /// The time of its creation, in milliseconds since 1970, by the creator's clock.
    pub fn made_at_ms(self) -> Option<u64> {
        let (seconds, nanos) = self.0.get_timestamp()?.to_unix();
        Some(seconds * 1_000 + u64::from(nanos) / 1_000_000)
    }
}
