//! Roles of accounts.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The role of an account. The role of a message is [`super::Role`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum AccountRole {
    User,
    /// Sees what admins see, and changes nothing of it.
    Auditor,
    Admin,
}

impl AccountRole {
    pub const ALL: [Self; 3] = [Self::User, Self::Auditor, Self::Admin];

    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for AccountRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be user, auditor or admin")]
pub struct UnknownAccountRole;

impl FromStr for AccountRole {
    type Err = UnknownAccountRole;

    fn from_str(name: &str) -> Result<Self, UnknownAccountRole> {
        Self::ALL.into_iter().find(|role| role.name() == name).ok_or(UnknownAccountRole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_the_same_word_everywhere() {
        for role in AccountRole::ALL {
            assert_eq!(role.name().parse(), Ok(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.to_string());
        }
        assert_eq!("root".parse::<AccountRole>().unwrap_err().to_string(), "must be user, auditor or admin");
    }
}
