//! Rate limits: one round trip to the limiter per call, however many limits apply, and no query.
//!
//! A call is counted as soon as its caller is identified, before any lookup and before a password is verified, so that
//! a refused call costs nothing else.

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
use crate::{
    http::{
        error::ApiError,
        extract::{client_address::ClientAddress, read_body::receive},
    },
    metrics::{AUTH, LimitLabel},
};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The signed-in user and the tier whose quotas apply.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UserOfTier<'a> {
    pub(crate) user: UserId,
    pub(crate) tier: &'a str,
}

/// The user or address that a call is counted for.
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

/// A counted call: the limits that apply, and the limiter's verdict.
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

    /// Counts a message that was sent over a socket.
    pub(crate) async fn count_message(&self, user: UserOfTier<'_>) -> Result<(), ApiError> {
        let counted = self.count(Rate::Chat, Subject::User(user), None).await;
        counted.and_then(|counted| counted.refusal()).map_or(Ok(()), Err)
    }

    /// Counts a call over HTTP. Returns its body unchanged; that of a sign-in is read for the account that it names.
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

    /// `None` where no limit applies, or the limiter failed.
    async fn count(&self, rate: Rate, subject: Subject<'_>, account: Option<&str>) -> Option<Counted> {
        if !self.settings.enabled {
            return None;
        }
        let (group, limits) = self.limits(rate, subject, account)?;
        match self.limiter.admit(&group, &limits).await {
            Ok(verdict) => Some(Counted { limits, verdict }),
            Err(error) => {
                tracing::warn!(%error, "a call was not counted");
                None
            }
        }
    }

    /// The limits of a call, and the group of counters that holds them.
    fn limits(&self, rate: Rate, subject: Subject<'_>, account: Option<&str>) -> Option<(String, Vec<Limit>)> {
        let limit = |name, subject: String, quota| Limit { name, subject, quota };
        match (rate, subject) {
            (Rate::Free, _) => None,
            // One group for both limits, so that one round trip is enough. Sign-ins are few enough for one group.
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
                    // A signed-in user who confirms with a password.
                    Rate::SignIn => Some(limit("sign-in-account", String::new(), self.settings.sign_in_account)),
                    Rate::Free | Rate::General => None,
                };
                let limits = own.into_iter().chain([limit("calls", String::new(), quotas.calls)]);
                Some((format!("user:{user}"), limits.collect()))
            }
        }
    }
}

/// The account that a sign-in names. `None` where the body is malformed: the handler reports that.
fn named_account(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        email: Option<String>,
    }
    serde_json::from_slice(body).ok().and_then(|Named { email }| email)
}

/// E-mail addresses are not stored in Redis.
fn account_digest(account: &str) -> String {
    let digest = digest::digest(&digest::SHA256, account.trim().to_lowercase().as_bytes());
    BASE64.encode(&digest.as_ref()[..16])
}

impl Counted {
    pub(crate) fn refusal(&self) -> Option<ApiError> {
        let refused = self.verdict.refused?;
        let Limit { name, quota, .. } = self.limits.get(refused.limit)?;
        AUTH.limited.get_or_create(&LimitLabel { limit: name }).inc();
        Some(ApiError::rate_limited(name, quota.calls, quota.window, seconds(refused.retry_after).max(1)))
    }

    /// `RateLimit` and `RateLimit-Policy`, as structured fields.
    pub(crate) fn write_headers(&self, response: &mut Response) {
        let mut policy = String::new();
        let mut remaining = String::new();
        for (Limit { name, quota, .. }, owed) in self.limits.iter().zip(&self.verdict.owed) {
            let comma = if policy.is_empty() { "" } else { ", " };
            let left = quota.remaining(*owed);
            let reset = seconds(*owed);
            _ = write!(policy, "{comma}\"{name}\";q={};w={}", quota.calls, seconds(quota.window));
            _ = write!(remaining, "{comma}\"{name}\";r={left};t={reset}");
        }
        let headers = response.headers_mut();
        for (header, value) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, remaining)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(header, value);
            }
        }
    }
}

/// Rounded up.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
