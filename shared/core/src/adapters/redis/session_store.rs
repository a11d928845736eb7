//! Browser sessions: one hash per user, so that a user's sessions are listed and ended together, in one slot of a
//! cluster. A lookup also records the use, in the same round trip.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_STANDARD as BASE64};
use chrono::{DateTime, Utc};
use fred::{interfaces::HashesInterface, types::scripts::Script};
use serde::{Deserialize, Serialize};

use super::{RedisHandle, failing_fast, run_failing_fast, script};
use crate::{
    clock::Clock,
    ids::{CredentialId, UserId},
    ports::{BrowserSession, PortError, SessionStore},
};

/// Per user; the least recently used session is evicted.
const MAX_SESSIONS_PER_USER: i64 = 50;

pub struct RedisSessionStore {
    redis: RedisHandle,
    clock: Arc<dyn Clock>,
    /// The idle timeout of a session.
    idle: Duration,
    create: Script,
    touch: Script,
    retier: Script,
}

/// The stored form; times in milliseconds.
#[derive(Serialize, Deserialize)]
struct Kept {
    digest: String,
    tier: String,
    created: i64,
    used: i64,
    ends: i64,
    agent: Option<String>,
    address: Option<String>,
}

impl Kept {
    fn of(session: &BrowserSession, digest: &[u8]) -> Self {
        Self {
            digest: BASE64.encode(digest),
            tier: session.tier.clone(),
            created: session.created_at.timestamp_millis(),
            used: session.last_used_at.timestamp_millis(),
            ends: session.ends_at.timestamp_millis(),
            agent: session.agent.clone(),
            address: session.address.clone(),
        }
    }

    fn session(self, user: UserId, id: CredentialId) -> Option<BrowserSession> {
        Some(BrowserSession {
            id,
            user,
            tier: self.tier,
            created_at: DateTime::from_timestamp_millis(self.created)?,
            last_used_at: DateTime::from_timestamp_millis(self.used)?,
            ends_at: DateTime::from_timestamp_millis(self.ends)?,
            agent: self.agent,
            address: self.address,
        })
    }
}

fn failed(what: &'static str) -> impl Fn(fred::error::Error) -> PortError {
    move |error| PortError { what, why: error.to_string() }
}

impl RedisSessionStore {
    pub fn new(redis: RedisHandle, clock: Arc<dyn Clock>, idle: Duration) -> Self {
        Self {
            redis,
            clock,
            idle,
            create: script(include_str!("create_session.lua")),
            touch: script(include_str!("touch_session.lua")),
            retier: script(include_str!("retier_sessions.lua")),
        }
    }

    fn key(&self, user: UserId) -> String {
        format!("{}:{{{user}}}:sessions", self.redis.prefix)
    }

    fn idle_ms(&self) -> i64 {
        i64::try_from(self.idle.as_millis()).unwrap_or(i64::MAX)
    }

    fn lasts(&self, session: &BrowserSession, now: DateTime<Utc>) -> bool {
        session.last_used_at + self.idle > now && session.ends_at > now
    }
}

#[async_trait]
impl SessionStore for RedisSessionStore {
    async fn create(&self, session: &BrowserSession, digest: &[u8]) -> Result<(), PortError> {
        let what = "keep a session";
        let kept = serde_json::to_string(&Kept::of(session, digest))
            .map_err(|error| PortError { what, why: error.to_string() })?;
        let arguments =
            vec![session.id.to_string(), kept, self.idle_ms().to_string(), MAX_SESSIONS_PER_USER.to_string()];
        run_failing_fast(&self.redis, &self.create, self.key(session.user), arguments).await.map_err(failed(what))
    }

    async fn touch(&self, user: UserId, id: CredentialId, digest: &[u8]) -> Result<Option<BrowserSession>, PortError> {
        let now = self.clock.now().timestamp_millis();
        let arguments = vec![id.to_string(), BASE64.encode(digest), now.to_string(), self.idle_ms().to_string()];
        let kept: Option<String> = run_failing_fast(&self.redis, &self.touch, self.key(user), arguments)
            .await
            .map_err(failed("look up a session"))?;
        Ok(kept.and_then(|kept| serde_json::from_str::<Kept>(&kept).ok()).and_then(|kept| kept.session(user, id)))
    }

    async fn list(&self, user: UserId) -> Result<Vec<BrowserSession>, PortError> {
        let failed = failed("list sessions");
        let client = failing_fast(&self.redis, self.redis.fail_fast_timeout).map_err(&failed)?;
        let all: HashMap<String, String> = client.hgetall(self.key(user)).await.map_err(failed)?;
        let now = self.clock.now();
        let sessions = all.into_iter().filter_map(|(id, kept)| {
            let kept: Kept = serde_json::from_str(&kept).ok()?;
            kept.session(user, id.parse().ok()?).filter(|session| self.lasts(session, now))
        });
        Ok(sessions.collect())
    }

    async fn end(&self, user: UserId, id: CredentialId) -> Result<bool, PortError> {
        let failed = failed("end a session");
        let client = failing_fast(&self.redis, self.redis.fail_fast_timeout).map_err(&failed)?;
        let removed: i64 = client.hdel(self.key(user), id.to_string()).await.map_err(failed)?;
        Ok(removed > 0)
    }

    async fn change_tier(&self, user: UserId, tier: &str) -> Result<(), PortError> {
        run_failing_fast(&self.redis, &self.retier, self.key(user), vec![tier.to_owned()])
            .await
            .map_err(failed("change the tier of sessions"))
    }
}
