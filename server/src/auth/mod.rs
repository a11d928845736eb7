//! Who is calling: passwords at sign-in, signed tokens afterwards.

pub(crate) mod passwords;
pub(crate) mod tokens;

/// A new secret of so many random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], crate::error::ApiError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| crate::error::ApiError::Internal(format!("no randomness: {e}")))?;
    Ok(bytes)
}
