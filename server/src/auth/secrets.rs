//! Secrets that are given out once and known afterwards by their digest alone.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use ring::digest::{SHA256, digest};

use crate::error::ApiError;

/// A new secret of so many random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], ApiError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| ApiError::Internal(format!("no randomness: {e}")))?;
    Ok(bytes)
}

/// A secret as it is given out, and the digest under which it is stored.
pub(crate) struct Fresh {
    pub(crate) secret: String,
    pub(crate) digest: Vec<u8>,
}

/// 256 random bits: nobody guesses them, so a plain digest is enough to store.
pub(crate) fn fresh() -> Result<Fresh, ApiError> {
    let secret = BASE64.encode(random::<32>()?);
    let digest = digest_of(&secret);
    Ok(Fresh { secret, digest })
}

pub(crate) fn digest_of(secret: &str) -> Vec<u8> {
    digest(&SHA256, secret.as_bytes()).as_ref().to_vec()
}
