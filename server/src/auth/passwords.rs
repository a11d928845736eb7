//! Password hashes: argon2id, on threads of their own that give way to everything else, and only so many at a time.
//!
//! Hashes that were imported may be bcrypt's: they are verified as they are, and replaced by ours at the first sign-in,
//! as are our own that were made with less work than is asked for today. What waits for a hash is bounded: who comes
//! too late is turned away at once.

use argon2::{
    Argon2, Params,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use troupe_core::config;
use unicode_normalization::UnicodeNormalization;

use super::hashing::Threads;
use crate::http::error::ApiError;

/// Bcrypt looks at no more of a password.
const BCRYPT_BYTES: usize = 72;

pub(crate) struct Passwords {
    argon2: Argon2<'static>,
    threads: Threads,
}

/// What came of a password and a hash.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Verified {
    pub(crate) right: bool,
    /// Of a right one: the hash that it should have from now on, where the one that it has is not as strong.
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
        self.threads.run(move || hashed(&argon2, &password)).await?
    }

    /// Whether the password is the one. Without a hash, or with one that cannot be read, it works as long and says no:
    /// an answer's time must not tell whether there is an account.
    pub(crate) async fn verify(&self, password: String, hash: Option<String>) -> Result<Verified, ApiError> {
        let argon2 = self.argon2.clone();
        self.threads.run(move || verified(&argon2, &password, hash.as_deref())).await?
    }
}

/// Half of the cores, unless told: the other half is for those who have signed in.
fn threads(told: usize) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if told > 0 { told } else { (cores / 2).max(1) }
}

fn verified(argon2: &Argon2<'_>, password: &str, stored: Option<&str>) -> Result<Verified, ApiError> {
    let no = Verified { right: false, better: None };
    let stored = stored.unwrap_or_default();
    if is_bcrypt(stored) {
        let right = bcrypt::verify(password, stored).unwrap_or(false);
        // Nobody has ever looked at the rest of a longer one: it may not be what its owner means.
        let whole = password.len() <= BCRYPT_BYTES;
        let better = (right && whole).then(|| hashed(argon2, password)).transpose()?;
        return Ok(Verified { right, better });
    }
    let Ok(hash) = PasswordHash::new(stored) else {
        hashed(argon2, password)?;
        return Ok(no);
    };
    if argon2.verify_password(normal(password).as_bytes(), &hash).is_err() {
        return Ok(no);
    }
    let better = is_weaker(argon2, &hash).then(|| hashed(argon2, password)).transpose()?;
    Ok(Verified { right: true, better })
}

fn hashed(argon2: &Argon2<'_>, password: &str) -> Result<String, ApiError> {
    let hash = argon2.hash_password(normal(password).as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|e| ApiError::Internal(format!("hash a password: {e}")))
}

/// Keyboards write the same letter in several ways: in a password they are the same.
pub(super) fn normal(password: &str) -> String {
    password.nfc().collect()
}

/// Whether a hash looks like bcrypt's.
pub(crate) fn is_bcrypt(hash: &str) -> bool {
    ["$2a$", "$2b$", "$2y$"].iter().any(|kind| hash.starts_with(kind))
}

fn is_weaker(argon2: &Argon2<'_>, hash: &PasswordHash) -> bool {
    let (today, used) = (argon2.params(), Params::try_from(hash));
    hash.algorithm.as_str() != "argon2id"
        || used.map_or(true, |used| used.m_cost() < today.m_cost() || used.t_cost() < today.t_cost())
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
        verified(&argon2(64, 2), password, Some(hash)).unwrap()
    }

    #[test]
    fn only_the_right_password_is_right() {
        let hash = hashed(&argon2(64, 2), "correct horse").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=2,p=1$"), "{hash}");
        assert_eq!(right("correct horse", &hash), Verified { right: true, better: None });
        for wrong in ["wrong horse", "", "correct horse "] {
            assert_eq!(right(wrong, &hash), Verified { right: false, better: None }, "{wrong}");
        }
        for no_hash in [None, Some(""), Some("not a hash"), Some("$2b$"), Some("$2b$99$zzz")] {
            assert!(!verified(&argon2(64, 2), "any", no_hash).unwrap().right, "{no_hash:?}");
        }
    }

    #[test]
    fn what_was_made_with_less_work_is_replaced() {
        for (memory, passes, weaker) in [(63, 2, true), (64, 1, true), (64, 2, false), (65, 3, false)] {
            let hash = hashed(&argon2(memory, passes), "correct horse").unwrap();
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
        let hash = hashed(&argon2(64, 2), "caf\u{e9} au lait").unwrap();
        assert!(right("cafe\u{301} au lait", &hash).right);
    }
}
