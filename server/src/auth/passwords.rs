//! Password hashes: argon2id, on low-priority threads with bounded queues ([`super::hashing`]).
//!
//! Imported hashes may be bcrypt. They are verified as they are, and replaced by argon2id at the first sign-in, as are
//! argon2id hashes with weaker parameters than configured.

use argon2::{
    Argon2, Params,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use troupe_core::config;
use unicode_normalization::UnicodeNormalization;

use super::hashing::Threads;
use crate::http::error::ApiError;

/// Bcrypt ignores the rest of a longer password.
const BCRYPT_BYTES: usize = 72;

pub(crate) struct Passwords {
    argon2: Argon2<'static>,
    threads: Threads,
}

/// The result of verifying a password.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Verified {
    pub(crate) right: bool,
    /// A stronger hash to store, where the password is right and the stored hash is weaker than configured.
    pub(crate) better: Option<String>,
}

impl Passwords {
    pub(crate) fn new(config: &config::Auth) -> anyhow::Result<Self> {
        let params = Params::new(config.password_memory, config.password_passes, 1, None)?;
        Ok(Self {
            argon2: params.into(),
            threads: Threads::start(threads(config.password_threads), config.password_queue)?,
        })
    }

    pub(crate) async fn hash(&self, password: String) -> Result<String, ApiError> {
        let argon2 = self.argon2.clone();
        self.threads.run(move || hash_of(&argon2, &password)).await?
    }

    /// Verifies a password. A missing or malformed hash fails after the same time, so that the response time does not
    /// reveal whether there is an account.
    pub(crate) async fn verify(&self, password: String, hash: Option<String>) -> Result<Verified, ApiError> {
        let argon2 = self.argon2.clone();
        self.threads.run(move || verify_hash(&argon2, &password, hash.as_deref())).await?
    }
}

/// Half of the cores by default: the other half is left for calls.
fn threads(configured: usize) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if configured > 0 { configured } else { (cores / 2).max(1) }
}

fn verify_hash(argon2: &Argon2<'_>, password: &str, stored: Option<&str>) -> Result<Verified, ApiError> {
    let wrong = Verified { right: false, better: None };
    let stored = stored.unwrap_or_default();
    if is_bcrypt(stored) {
        let right = bcrypt::verify(password, stored).unwrap_or(false);
        // The rest of a longer password was never verified: it may contain a slip, so it is not hashed anew.
        let whole = password.len() <= BCRYPT_BYTES;
        let better = (right && whole).then(|| hash_of(argon2, password)).transpose()?;
        return Ok(Verified { right, better });
    }
    let Ok(hash) = PasswordHash::new(stored) else {
        hash_of(argon2, password)?;
        return Ok(wrong);
    };
    if argon2.verify_password(normal(password).as_bytes(), &hash).is_err() {
        return Ok(wrong);
    }
    let better = is_weaker(argon2, &hash).then(|| hash_of(argon2, password)).transpose()?;
    Ok(Verified { right: true, better })
}

fn hash_of(argon2: &Argon2<'_>, password: &str) -> Result<String, ApiError> {
    let hash = argon2.hash_password(normal(password).as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|e| ApiError::Internal(format!("hash a password: {e}")))
}

/// Unicode normalization (NFC): keyboards encode the same character in several ways.
pub(super) fn normal(password: &str) -> String {
    password.nfc().collect()
}

/// Whether a hash is bcrypt, by its prefix.
pub(crate) fn is_bcrypt(hash: &str) -> bool {
    ["$2a$", "$2b$", "$2y$"].iter().any(|kind| hash.starts_with(kind))
}

fn is_weaker(argon2: &Argon2<'_>, hash: &PasswordHash) -> bool {
    let configured = argon2.params();
    hash.algorithm.as_str() != "argon2id"
        || Params::try_from(hash)
            .map_or(true, |used| used.m_cost() < configured.m_cost() || used.t_cost() < configured.t_cost())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bcrypt_of(password: &str) -> String {
        bcrypt::hash_with_salt(password, 4, *b"sixteen bytes...").unwrap().format_for_version(bcrypt::Version::TwoB)
    }

    fn argon2(memory: u32, passes: u32) -> Argon2<'static> {
        Params::new(memory, passes, 1, None).unwrap().into()
    }

    fn right(password: &str, hash: &str) -> Verified {
        verify_hash(&argon2(64, 2), password, Some(hash)).unwrap()
    }

    #[test]
    fn only_the_right_password_is_right() {
        let hash = hash_of(&argon2(64, 2), "correct horse").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=2,p=1$"), "{hash}");
        assert_eq!(right("correct horse", &hash), Verified { right: true, better: None });
        for wrong in ["wrong horse", "", "correct horse "] {
            assert_eq!(right(wrong, &hash), Verified { right: false, better: None }, "{wrong}");
        }
        for no_hash in [None, Some(""), Some("not a hash"), Some("$2b$"), Some("$2b$99$zzz")] {
            assert!(!verify_hash(&argon2(64, 2), "any", no_hash).unwrap().right, "{no_hash:?}");
        }
    }

    #[test]
    fn what_was_made_with_less_work_is_replaced() {
        for (memory, passes, weaker) in [(63, 2, true), (64, 1, true), (64, 2, false), (65, 3, false)] {
            let hash = hash_of(&argon2(memory, passes), "correct horse").unwrap();
            let better = right("correct horse", &hash).better;
            assert_eq!(better.is_some(), weaker, "{hash}");
            if let Some(better) = &better {
                assert!(better.starts_with("$argon2id$v=19$m=64,t=2,p=1$"), "{better}");
                assert_eq!(right("correct horse", better), Verified { right: true, better: None });
            }
            assert_eq!(right("wrong horse", &hash).better, None);
        }
    }

    #[test]
    fn a_hash_of_bcrypt_is_verified_and_replaced() {
        let hash = bcrypt_of("correct horse");
        for kind in ["$2a$", "$2b$", "$2y$"] {
            let hash = hash.replacen("$2b$", kind, 1);
            let better = right("correct horse", &hash).better.unwrap_or_else(|| panic!("nothing better than {hash}"));
            assert_eq!(right("correct horse", &better), Verified { right: true, better: None });
            assert_eq!(right("wrong horse", &hash), Verified { right: false, better: None });
        }
    }

    #[test]
    fn of_a_password_that_bcrypt_has_cut_nothing_is_known_behind_the_cut() {
        let long = "x".repeat(BCRYPT_BYTES);
        let hash = bcrypt_of(&long);
        assert!(right(&long, &hash).better.is_some());
        assert_eq!(right(&format!("{long} and a slip"), &hash), Verified { right: true, better: None });
    }

    #[test]
    fn the_same_letter_written_otherwise_is_the_same() {
        let hash = hash_of(&argon2(64, 2), "caf\u{e9} au lait").unwrap();
        assert!(right("cafe\u{301} au lait", &hash).right);
    }
}
