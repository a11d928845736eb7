//! Random secrets: returned to their owner once, stored as digests.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use ring::digest::{SHA256, digest};

use crate::http::error::ApiError;

/// `N` random bytes of the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], ApiError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| ApiError::Internal(format!("no randomness: {e}")))?;
    Ok(bytes)
}

/// A secret, and the digest that is stored.
pub(crate) struct Fresh {
    pub(crate) secret: String,
    pub(crate) digest: Vec<u8>,
}

/// 256 random bits cannot be guessed, so a plain digest is enough.
pub(crate) fn fresh() -> Result<Fresh, ApiError> {
    let secret = BASE64.encode(random::<32>()?);
    let digest = digest_of(&secret);
    Ok(Fresh { secret, digest })
}

pub(crate) fn digest_of(secret: &str) -> Vec<u8> {
    digest(&SHA256, secret.as_bytes()).as_ref().to_vec()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_are_known_by_their_digests() {
        let (one, two) = (fresh().unwrap(), fresh().unwrap());
        assert_ne!(one.secret, two.secret);
        assert_eq!(digest_of(&one.secret), one.digest);
        assert_eq!(hex(&digest_of("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
