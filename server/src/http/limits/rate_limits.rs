//! How often anybody may call: one question to the limiter per call, however many limits apply, and none to PostgreSQL.
//!
//! A call that is refused does nothing else: it is counted as soon as it is known whose it is, before anything else is
//! looked up, and before a password is looked at.

use std::{fmt::Write, net::IpAddr, sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, request::Parts},
    response::Response,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use ring::digest;
use serde::Deserialize;
use sqlx::PgPool;
use troupe_core::{
    config,
    ids::UserId,
    lifecycle::Tasks,
    model::admin::Tier,
    ports::{Limit, Limiter, Verdict},
};

use super::{route_classes::Rate, tiers::TierLimits};
use crate::http::{
    error::ApiError,
    extract::{client_address::ClientAddress, read_body::receive},
};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STANDING: HeaderName = HeaderName::from_static("ratelimit");

/// A signed-in caller, as far as limits go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UserOfTier<'a> {
    pub(crate) user: UserId,
    pub(crate) tier: &'a str,
}

/// What a call is counted against.
#[derive(Debug, Clone, Copy)]
enum Subject<'a> {
    User(UserOfTier<'a>),
    Address(IpAddr),
}

pub(crate) struct RateLimiter {
    settings: config::RateLimits,
    limiter: Arc<dyn Limiter>,
    tiers: TierLimits,
}

/// How a call stands with its limits.
pub(crate) struct Counted {
    limits: Vec<Limit>,
    verdict: Verdict,
}

impl RateLimiter {
    pub(crate) fn start(
        settings: config::RateLimits,
        limiter: Arc<dyn Limiter>,
        tiers: &[Tier],
        pool: PgPool,
        tasks: &Tasks,
    ) -> Self {
        Self { settings, limiter, tiers: TierLimits::start(tiers, pool, tasks) }
    }

    /// A message that comes over a socket.
    pub(crate) async fn chat(&self, user: UserOfTier<'_>) -> Result<(), ApiError> {
        let counted = self.count(Rate::Chat, Subject::User(user), None).await;
        counted.and_then(|counted| counted.refusal()).map_or(Ok(()), Err)
    }

    /// A call over HTTP. Its body comes back as it was: where it names an account, it has been looked into.
    pub(crate) async fn count_call(
        &self,
        config: &config::Server,
        rate: Rate,
        caller: Option<UserOfTier<'_>>,
        parts: &Parts,
        body: Body,
    ) -> Result<(Option<Counted>, Body), ApiError> {
        let address = parts.extensions.get().copied().unwrap_or(ClientAddress::UNKNOWN).subscriber();
        let subject = caller.map_or(Subject::Address(address), Subject::User);
        if rate != Rate::SignIn || !self.settings.enabled {
            return Ok((self.count(rate, subject, None).await, body));
        }
        let bytes = receive(body, config.max_body, config.body_timeout).await?;
        let account = named_account(&bytes);
        Ok((self.count(rate, subject, account.as_deref()).await, Body::from(bytes)))
    }

    /// `None` where nothing limits it.
    async fn count(&self, rate: Rate, subject: Subject<'_>, account: Option<&str>) -> Option<Counted> {
        if !self.settings.enabled {
            return None;
        }
        let (together, limits) = self.limits(rate, subject, account)?;
        match self.limiter.admit(&together, &limits).await {
            Ok(verdict) => Some(Counted { limits, verdict }),
            Err(error) => {
                tracing::warn!(%error, "a call was not counted");
                None
            }
        }
    }

    /// The limits of a call, and what they are counted under.
    fn limits(&self, rate: Rate, subject: Subject<'_>, account: Option<&str>) -> Option<(String, Vec<Limit>)> {
        let limit = |name, subject: String, quota| Limit { name, subject, quota };
        match (rate, subject) {
            (Rate::Free, _) => None,
            // Both in one place, so that one question will do. There are not so many that one place is too few.
            (Rate::SignIn, Subject::Address(address)) => {
                let mut limits = vec![limit("sign-in-address", address.to_string(), self.settings.sign_in_address)];
                limits.extend(
                    account.map(|account| {
                        limit("sign-in-account", account_digest(account), self.settings.sign_in_account)
                    }),
                );
                Some(("sign-in".to_owned(), limits))
            }
            (Rate::General | Rate::Chat, Subject::Address(address)) => {
                Some((format!("address:{address}"), vec![limit("anonymous", String::new(), self.settings.anonymous)]))
            }
            (rate, Subject::User(UserOfTier { user, tier })) => {
                let quotas = self.tiers.of(tier)?;
                let own = match rate {
                    Rate::Chat => Some(limit("chat", String::new(), quotas.chat)),
                    // Of somebody who is signed in and shows a password once more.
                    Rate::SignIn => Some(limit("sign-in-account", String::new(), self.settings.sign_in_account)),
                    Rate::Free | Rate::General => None,
                };
                let limits = own.into_iter().chain([limit("calls", String::new(), quotas.calls)]);
                Some((format!("user:{user}"), limits.collect()))
            }
        }
    }
}

/// The account that a call which signs in is about. What cannot be read names nobody, and the handler says why.
fn named_account(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        email: Option<String>,
    }
    serde_json::from_slice(body).ok().and_then(|Named { email }| email)
}

/// Addresses of people do not go to Redis.
fn account_digest(account: &str) -> String {
    let digest = digest::digest(&digest::SHA256, account.trim().to_lowercase().as_bytes());
    BASE64.encode(&digest.as_ref()[..16])
}

impl Counted {
    pub(crate) fn refusal(&self) -> Option<ApiError> {
        let refused = self.verdict.refused?;
        let Limit { name, quota, .. } = self.limits.get(refused.limit)?;
        Some(ApiError::rate_limited(name, quota.calls, quota.window, seconds(refused.retry_after).max(1)))
    }

    /// `RateLimit` and `RateLimit-Policy`, as structured fields.
    pub(crate) fn tell(&self, response: &mut Response) {
        let (mut policy, mut standing) = (String::new(), String::new());
        for (Limit { name, quota, .. }, owed) in self.limits.iter().zip(&self.verdict.owed) {
            let comma = if policy.is_empty() { "" } else { ", " };
            let (left, whole_in) = (quota.left(*owed), seconds(*owed));
            _ = write!(policy, "{comma}\"{name}\";q={};w={}", quota.calls, seconds(quota.window));
            _ = write!(standing, "{comma}\"{name}\";r={left};t={whole_in}");
        }
        let headers = response.headers_mut();
        for (header, value) in [(POLICY, policy), (STANDING, standing)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(header, value);
            }
        }
    }
}

/// Whole ones, and none too few.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
