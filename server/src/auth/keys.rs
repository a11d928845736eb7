//! API keys: `trp_<12 hex digits>_<secret>`. The part before the secret is shown in lists, and finds the key.

use troupe_db::accounts::api_keys::{self, Shown};

use super::{
    Auth,
    identity::{Credential, CredentialKind, Identity},
    permissions::Scopes,
    secrets::{self, Fresh, digest_of, hex, random},
};
use crate::http::error::ApiError;

const MARK: &str = "trp_";
const PREFIX_BYTES: usize = 6;
const PREFIX_LENGTH: usize = MARK.len() + PREFIX_BYTES * 2;

/// A key as it is given out, once.
pub(crate) struct NewKey {
    pub(crate) key: String,
    pub(crate) prefix: String,
    pub(crate) digest: Vec<u8>,
}

pub(crate) fn new_key() -> Result<NewKey, ApiError> {
    let Fresh { secret, .. } = secrets::fresh()?;
    let prefix = format!("{MARK}{}", hex(&random::<PREFIX_BYTES>()?));
    let key = format!("{prefix}_{secret}");
    let digest = digest_of(&key);
    Ok(NewKey { key, prefix, digest })
}

/// The part that finds a key; `None` for what is none.
pub(crate) fn prefix_of(key: &str) -> Option<&str> {
    let (prefix, rest) = key.split_at_checked(PREFIX_LENGTH)?;
    (prefix.starts_with(MARK) && rest.starts_with('_')).then_some(prefix)
}

/// Who calls with this key.
pub(crate) async fn identify(auth: &Auth, key: &str, prefix: &str) -> Result<Identity, ApiError> {
    let shown = api_keys::find(&auth.pool, prefix).await?;
    // Of digests the time that a comparison takes tells nothing that could be used.
    let shown = shown.filter(|shown| shown.digest == digest_of(key));
    let shown = shown.ok_or(ApiError::Unauthenticated("the API key is not valid, or has ended"))?;
    if shown.signs {
        return Err(ApiError::Unauthenticated("this key counts only for calls that are signed with it"));
    }
    Ok(identity(shown, CredentialKind::Key))
}

pub(super) fn identity(shown: Shown, kind: CredentialKind) -> Identity {
    let credential =
        Credential { id: shown.id, kind, scopes: Scopes::from(shown.scopes), expires_at: shown.expires_at };
    Identity { user: shown.user, tier: shown.tier, credential }
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
