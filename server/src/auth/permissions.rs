//! Permissions, as one table. Every route states the permission that it needs (`security` in its description), and
//! [`super::middleware`] checks it before the route is called.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use troupe_core::model::AccountRole;

macro_rules! permissions {
    ($($permission:ident = $name:literal, $roles:ident, $keys:ident, $description:literal;)+) => {
        /// The order is the table's, and may change.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Permission {
            $($permission,)+
        }

        impl Permission {
            pub(crate) const ALL: &[Self] = &[$(Self::$permission,)+];

            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$permission => $name,)+ }
            }

            /// For operators and for the description of the API.
            pub(crate) const fn description(self) -> &'static str {
                match self { $(Self::$permission => $description,)+ }
            }

            pub(crate) const fn roles(self) -> Roles {
                match self { $(Self::$permission => Roles::$roles,)+ }
            }

            pub(crate) const fn keys(self) -> Keys {
                match self { $(Self::$permission => Keys::$keys,)+ }
            }
        }
    };
}

/// Which roles have a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Roles {
    Everybody,
    /// Those who see how the service is run, and admins.
    Auditors,
    Admins,
}

impl Roles {
    pub(crate) const fn include(self, role: AccountRole) -> bool {
        match self {
            Self::Everybody => true,
            Self::Auditors => matches!(role, AccountRole::Auditor | AccountRole::Admin),
            Self::Admins => matches!(role, AccountRole::Admin),
        }
    }
}

/// Whether an API key can have a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    May,
    /// For calls that are signed.
    Signed,
    /// Only a signed-in user.
    Never,
}

permissions! {
    ChatRead = "chat:read", Everybody, May, "read one's conversations, messages, requests and live events";
    ChatWrite = "chat:write", Everybody, May, "send messages, cancel and rate replies, change conversations and what is remembered";
    Embeddings = "embeddings", Everybody, May, "embed texts";
    PersonasRead = "personas:read", Everybody, May, "read personas, and the interview and documents of one's own";
    PersonasWrite = "personas:write", Everybody, May, "make, change and delete personas of one's own, with their knowledge";
    AccountRead = "account:read", Everybody, May, "read one's account and what it may spend";
    AccountWrite = "account:write", Everybody, Never, "change the password, sign-ins and keys, export or delete the account";
    OperationsRead = "operations:read", Auditors, May, "see queues, providers and dead letters";
    OperationsWrite = "operations:write", Admins, Signed, "try dead letters again or discard them";
    TiersRead = "tiers:read", Auditors, May, "see tiers, prices and budgets";
    TiersWrite = "tiers:write", Admins, Signed, "change tiers, prices and budgets";
    PersonasInspect = "personas:inspect", Auditors, May, "see everybody's personas, without their prompts";
    PersonasModerate = "personas:moderate", Admins, Signed, "hide and delete everybody's personas";
    UsersRead = "users:read", Auditors, May, "see accounts";
    UsersWrite = "users:write", Admins, Signed, "change roles and tiers, invite, sign people out, export and delete accounts";
    AuditRead = "audit:read", Auditors, May, "read, export and verify the audit log";
    CredentialsWrite = "credentials:write", Admins, Never, "make services and their tokens, rotate signing keys";
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// There is no permission of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no permission '{0}'")]
pub(crate) struct UnknownPermission(String);

impl FromStr for Permission {
    type Err = UnknownPermission;

    fn from_str(name: &str) -> Result<Self, UnknownPermission> {
        let found = Self::ALL.iter().find(|permission| permission.name() == name);
        found.copied().ok_or_else(|| UnknownPermission(name.to_owned()))
    }
}

/// The permissions of a credential, as a bit set. A signed-in user has all of their role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<String>", from = "Vec<String>")]
pub(crate) struct Scopes(u32);

impl Scopes {
    pub(crate) const ALL: Self = Self(u32::MAX);
    pub(crate) const NONE: Self = Self(0);

    #[must_use]
    pub(crate) const fn with(self, permission: Permission) -> Self {
        Self(self.0 | 1 << permission as u32)
    }

    pub(crate) const fn contain(self, permission: Permission) -> bool {
        // Whoever hides personas sees them; keys are older than the permission for it.
        let implied = matches!(permission, Permission::PersonasInspect) && self.contain(Permission::PersonasModerate);
        implied || self.0 & (1 << permission as u32) != 0
    }
}

impl From<Scopes> for Vec<String> {
    fn from(scopes: Scopes) -> Self {
        let all = Permission::ALL.iter().filter(|permission| scopes.contain(**permission));
        all.map(|permission| permission.name().to_owned()).collect()
    }
}

/// Unknown names are ignored: permissions may have been removed since.
impl From<Vec<String>> for Scopes {
    fn from(names: Vec<String>) -> Self {
        names.iter().filter_map(|name| name.parse().ok()).fold(Self::NONE, Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for permission in Permission::ALL {
            assert_eq!(permission.name().parse(), Ok(*permission));
        }
        assert_eq!("chat:all".parse::<Permission>().unwrap_err().to_string(), "there is no permission 'chat:all'");
    }

    #[test]
    fn scopes_hold_what_was_put_in() {
        let scopes = Scopes::NONE.with(Permission::ChatRead).with(Permission::CredentialsWrite);
        for permission in Permission::ALL {
            let put_in = matches!(permission, Permission::ChatRead | Permission::CredentialsWrite);
            assert_eq!(scopes.contain(*permission), put_in, "{permission}");
            assert!(Scopes::ALL.contain(*permission) && !Scopes::NONE.contain(*permission));
        }
        let moderator = Scopes::NONE.with(Permission::PersonasModerate);
        assert!(moderator.contain(Permission::PersonasInspect) && moderator.contain(Permission::PersonasModerate));
        assert_eq!(Scopes::from(Vec::<String>::from(scopes)), scopes);
        assert_eq!(
            Scopes::from(vec!["chat:read".to_owned(), "gone".to_owned()]),
            Scopes::NONE.with(Permission::ChatRead)
        );
    }
}
