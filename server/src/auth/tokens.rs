//! Access tokens: JWTs signed with HS256 under a key id, verified without a lookup. They hold the user, the sign-in and
//! the tier; a role's permissions are looked up, never read from a token.
//!
//! The keys are in the database, so that every server verifies what any server signed. A new key signs only when every
//! server has read it, and earlier keys still verify, so that a rotation signs nobody out. (A JWT crate would
//! bring RSA and two elliptic curves along for these few lines.)

use std::{sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use chrono::{DateTime, Utc};
use parking_lot::RwLock;
use ring::hmac;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use tokio::time::sleep;
use troupe_core::{
    clock::Clock,
    ids::{CredentialId, UserId},
    lifecycle::Tasks,
};
use troupe_db::{
    accounts::signing_keys::{self, KeyView},
    with_response_timeout,
};

use super::{
    identity::{Credential, CredentialKind, Identity},
    permissions::Scopes,
    secrets::random,
};
use crate::http::error::ApiError;

/// The keys are reloaded for an unknown key id at most this often.
const RELOAD_INTERVAL: Duration = Duration::from_secs(5);
const POLL_INTERVAL: Duration = Duration::from_secs(15);
/// A key of this age has been read by every server that can reach the database.
const SIGNS_AFTER: Duration = Duration::from_secs(45);

pub(crate) struct Tokens {
    pool: PgPool,
    clock: Arc<dyn Clock>,
    ttl: Duration,
    keys: RwLock<Keys>,
}

struct Keys {
    all: Vec<Key>,
    read_at: DateTime<Utc>,
}

struct Key {
    id: String,
    hmac: hmac::Key,
    created_at: DateTime<Utc>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    kid: String,
    typ: String,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: UserId,
    sid: CredentialId,
    tier: String,
    iat: i64,
    exp: i64,
}

/// A new token.
pub(crate) struct Issued {
    pub(crate) token: String,
    pub(crate) expires_in: Duration,
}

impl Tokens {
    /// Reads the keys, then polls them; the first server of a deployment creates the first key.
    pub(crate) async fn start(
        pool: PgPool,
        clock: Arc<dyn Clock>,
        ttl: Duration,
        tasks: &Tasks,
    ) -> Result<Arc<Self>, ApiError> {
        if signing_keys::list(&pool).await?.iter().all(|key| key.retired) {
            signing_keys::create_first(&pool, &BASE64.encode(random::<6>()?), &random::<32>()?).await?;
        }
        let keys = RwLock::new(Keys { all: read_keys(&pool).await?, read_at: clock.now() });
        let tokens = Arc::new(Self { pool, clock, ttl, keys });
        let (reading, shutdown) = (tokens.clone(), tasks.shutdown().clone());
        tasks.spawn(async move {
            while shutdown.run_until_cancelled(sleep(POLL_INTERVAL)).await.is_some() {
                if let Err(error) = with_response_timeout(reading.reload()).await {
                    tracing::debug!(?error, "could not read the signing keys; those that are known stay");
                }
            }
        });
        Ok(tokens)
    }

    /// Creates a key that signs as soon as every server has read it; tokens of earlier keys stay valid.
    pub(crate) async fn rotate(&self) -> Result<KeyView, ApiError> {
        let key = signing_keys::rotate(&self.pool, &BASE64.encode(random::<6>()?), &random::<32>()?).await?;
        let all = read_keys(&self.pool).await?;
        self.keys.write().all = all;
        Ok(key)
    }

    pub(crate) fn issue(&self, user: UserId, tier: &str, sign_in: CredentialId) -> Result<Issued, ApiError> {
        let keys = self.keys.read();
        let now = self.clock.now();
        let known = |key: &&Key| key.created_at + SIGNS_AFTER <= now;
        // The newest that every server has read; in a new deployment, the first.
        let key = keys.all.iter().find(known).or(keys.all.last());
        let key = key.ok_or_else(|| ApiError::Internal("no signing key".to_owned()))?;
        let now = now.timestamp();
        let header = Header { alg: "HS256".to_owned(), kid: key.id.clone(), typ: "JWT".to_owned() };
        let tier = tier.to_owned();
        let claims = Claims { sub: user, sid: sign_in, tier, iat: now, exp: now + self.ttl.as_secs() as i64 };
        let signed = format!("{}.{}", encode(&header)?, encode(&claims)?);
        let signature = BASE64.encode(hmac::sign(&key.hmac, signed.as_bytes()));
        Ok(Issued { token: format!("{signed}.{signature}"), expires_in: self.ttl })
    }

    /// The identity in a valid token.
    pub(crate) async fn verify(&self, token: &str) -> Result<Identity, ApiError> {
        match self.check(token) {
            Err(Refusal::UnknownKey) if self.reload().await? => self.check(token),
            checked => checked,
        }
        .map_err(|refusal| {
            ApiError::Unauthenticated(match refusal {
                Refusal::Malformed => "the access token is malformed",
                Refusal::UnknownKey | Refusal::Forged => "the access token is not valid",
                Refusal::Expired => "the access token has expired",
            })
        })
    }

    fn check(&self, token: &str) -> Result<Identity, Refusal> {
        let (signed, signature) = token.rsplit_once('.').ok_or(Refusal::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(Refusal::Malformed)?;
        let header: Header = decode(header)?;
        // The algorithm is ours to choose, never the token's.
        if header.alg != "HS256" {
            return Err(Refusal::Forged);
        }
        let signature = BASE64.decode(signature).map_err(|_| Refusal::Malformed)?;
        let keys = self.keys.read();
        let key = keys.all.iter().find(|key| key.id == header.kid).ok_or(Refusal::UnknownKey)?;
        hmac::verify(&key.hmac, signed.as_bytes(), &signature).map_err(|_| Refusal::Forged)?;
        let claims: Claims = decode(claims)?;
        if claims.exp <= self.clock.now().timestamp() {
            return Err(Refusal::Expired);
        }
        let credential = Credential {
            id: claims.sid,
            kind: CredentialKind::Token,
            scopes: Scopes::ALL,
            expires_at: DateTime::from_timestamp(claims.exp, 0),
        };
        Ok(Identity { user: claims.sub, tier: claims.tier, credential })
    }

    /// Reloads the keys, unless that was done a moment ago; returns whether it did.
    async fn reload(&self) -> Result<bool, ApiError> {
        let now = self.clock.now();
        {
            let mut keys = self.keys.write();
            if (now - keys.read_at).to_std().is_ok_and(|age| age < RELOAD_INTERVAL) {
                return Ok(false);
            }
            keys.read_at = now;
        }
        let all = read_keys(&self.pool).await?;
        self.keys.write().all = all;
        Ok(true)
    }
}

enum Refusal {
    Malformed,
    UnknownKey,
    Forged,
    Expired,
}

async fn read_keys(pool: &PgPool) -> Result<Vec<Key>, sqlx::Error> {
    let stored = signing_keys::list(pool).await?;
    Ok(stored
        .into_iter()
        .map(|key| Key { id: key.id, hmac: hmac::Key::new(hmac::HMAC_SHA256, &key.secret), created_at: key.created_at })
        .collect())
}

fn encode(part: &impl Serialize) -> Result<String, ApiError> {
    serde_json::to_vec(part).map(|json| BASE64.encode(json)).map_err(|e| ApiError::Internal(e.to_string()))
}

fn decode<T: serde::de::DeserializeOwned>(part: &str) -> Result<T, Refusal> {
    let json = BASE64.decode(part).map_err(|_| Refusal::Malformed)?;
    serde_json::from_slice(&json).map_err(|_| Refusal::Malformed)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    struct SetClock(AtomicI64);

    impl Clock for SetClock {
        fn now(&self) -> DateTime<Utc> {
            DateTime::from_timestamp(self.0.load(Ordering::Relaxed), 0).unwrap_or_default()
        }
    }

    /// With keys, the newest first, and when they were made.
    fn tokens(clock: Arc<SetClock>, ids: &[(&str, i64)]) -> Tokens {
        let all = ids
            .iter()
            .map(|&(id, created_at)| Key {
                id: id.to_owned(),
                hmac: hmac::Key::new(hmac::HMAC_SHA256, id.as_bytes()),
                created_at: DateTime::from_timestamp(created_at, 0).unwrap(),
            })
            .collect();
        Tokens {
            pool: PgPool::connect_lazy("postgres://nobody@127.0.0.1:1/none").unwrap(),
            ttl: Duration::from_mins(1),
            keys: RwLock::new(Keys { all, read_at: clock.now() }),
            clock,
        }
    }

    #[tokio::test]
    async fn a_token_holds_until_it_expires_and_only_as_it_was_signed() {
        let clock = Arc::new(SetClock(AtomicI64::new(1_000)));
        let tokens = tokens(clock.clone(), &[("a", 1_000)]);
        let user = UserId::new();
        let Issued { token, .. } = tokens.issue(user, "free", CredentialId::new()).unwrap();
        let identity = tokens.verify(&token).await.unwrap();
        assert_eq!((identity.user, &*identity.tier), (user, "free"));
        assert_eq!(identity.credential.expires_at.map(|at| at.timestamp()), Some(1_060));

        let claims = decode::<Claims>(token.split('.').nth(1).unwrap()).ok().unwrap();
        let mut parts: Vec<_> = token.split('.').map(str::to_owned).collect();
        parts[1] = encode(&Claims { sub: UserId::new(), exp: i64::MAX, ..claims }).unwrap();
        assert!(tokens.verify(&parts.join(".")).await.is_err(), "other claims");
        let none = Header { alg: "none".to_owned(), kid: "a".to_owned(), typ: "JWT".to_owned() };
        assert!(tokens.verify(&format!("{}.{}.", encode(&none).unwrap(), parts[1])).await.is_err(), "no algorithm");
        for garbage in ["", "a", "a.b", "a.b.c", "....", "é.é.é"] {
            assert!(tokens.verify(garbage).await.is_err(), "{garbage}");
        }

        clock.0.store(1_060, Ordering::Relaxed);
        let refused = tokens.verify(&token).await.unwrap_err();
        assert_eq!(refused.problem().detail, "the access token has expired");
    }

    #[tokio::test]
    async fn a_new_key_signs_when_everybody_knows_it_and_the_earlier_ones_verify_on() {
        let clock = Arc::new(SetClock(AtomicI64::new(1_000)));
        let (user, sign_in) = (UserId::new(), CredentialId::new());
        let tokens = tokens(clock.clone(), &[("c", 1_000), ("b", 990), ("a", 0)]);
        let signed_by = |token: &str| decode::<Header>(token.split('.').next().unwrap()).ok().unwrap().kid;
        let mut signed = Vec::new();
        for (now, key) in [(1_000, "a"), (1_034, "a"), (1_035, "b"), (1_044, "b"), (1_045, "c")] {
            clock.0.store(now, Ordering::Relaxed);
            let token = tokens.issue(user, "free", sign_in).unwrap().token;
            assert_eq!(signed_by(&token), key, "at {now}");
            signed.push(token);
        }
        for token in signed {
            assert_eq!(tokens.verify(&token).await.unwrap().user, user);
        }
    }
}
