//! API keys: `trp_<12 hex digits>_<secret>`. The prefix before the secret identifies the key, in lists and in lookups.

use troupe_db::accounts::api_keys::{self as stored, StoredKey};

use super::{
    Auth,
    identity::{Credential, CredentialKind, Identity},
    permissions::Scopes,
    secrets::{self, Fresh, digest_of, hex, random},
};
use crate::http::error::ApiError;

const KEY_START: &str = "trp_";
const PREFIX_BYTES: usize = 6;
const PREFIX_LENGTH: usize = KEY_START.len() + PREFIX_BYTES * 2;

/// A new key, returned to its owner once.
pub(crate) struct NewKey {
    pub(crate) key: String,
    pub(crate) prefix: String,
    pub(crate) digest: Vec<u8>,
}

pub(crate) fn new_key() -> Result<NewKey, ApiError> {
    let Fresh { secret, .. } = secrets::fresh()?;
    let prefix = format!("{KEY_START}{}", hex(&random::<PREFIX_BYTES>()?));
    let key = format!("{prefix}_{secret}");
    let digest = digest_of(&key);
    Ok(NewKey { key, prefix, digest })
}

/// The prefix of an API key; `None` for other tokens.
pub(crate) fn prefix_of(key: &str) -> Option<&str> {
    let (prefix, rest) = key.split_at_checked(PREFIX_LENGTH)?;
    (prefix.starts_with(KEY_START) && rest.starts_with('_')).then_some(prefix)
}

/// The identity of a caller with this key.
pub(crate) async fn identify(auth: &Auth, key: &str, prefix: &str) -> Result<Identity, ApiError> {
    let found = stored::find(&auth.pool, prefix).await?;
    // Digests need no comparison in constant time: timing reveals nothing about the secret.
    let found = found.filter(|found| found.digest == digest_of(key));
    let found = found.ok_or(ApiError::Unauthenticated("the API key is not valid, or has ended"))?;
    if found.signs {
        return Err(ApiError::Unauthenticated("this key counts only for calls that are signed with it"));
    }
    Ok(identity(found, CredentialKind::Key))
}

pub(super) fn identity(key: StoredKey, kind: CredentialKind) -> Identity {
    let credential = Credential { id: key.id, kind, scopes: Scopes::from(key.scopes), expires_at: key.expires_at };
    Identity { user: key.user, tier: key.tier, credential }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_by_its_beginning() {
        let new = new_key().unwrap();
        assert_eq!(prefix_of(&new.key), Some(&*new.prefix));
        assert_eq!(digest_of(&new.key), new.digest);
        for other in ["", "trp_", "trp_0123456789ab", "eyJhbGciOi.x.y", "trp_0123456789abc", "ürp_0123456789ab_x"] {
            assert_eq!(prefix_of(other), None, "{other}");
        }
    }
}
