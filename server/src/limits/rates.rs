//! How often anybody may call: one question to the limiter per call, however many limits apply, and none to PostgreSQL.
//!
//! A call that is refused does nothing else: it is asked before the handler, and before a password is looked at.

use std::{fmt::Write, net::IpAddr, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use ring::digest;
use serde::Deserialize;
use sqlx::PgPool;
use troupe_shared::{
    config,
    ids::UserId,
    lifecycle::Tasks,
    model::admin::Tier,
    ports::{Limit, Limiter, Verdict},
};

use super::{
    classes::{Class, Pace, Rate},
    places::{CallPlace, WaitingPlace},
    tiers::TierLimits,
};
use crate::{
    error::ApiError,
    extract::{auth::bearer_of, body::receive, client_address::ClientAddress},
    state::AppState,
};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STANDING: HeaderName = HeaderName::from_static("ratelimit");

/// Whose call it is, as far as limits go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    User(UserId, String),
    Address(IpAddr),
}

pub(crate) struct Rates {
    settings: config::RateLimits,
    limiter: Arc<dyn Limiter>,
    tiers: TierLimits,
}

/// How a call stands with its limits.
struct Counted {
    limits: Vec<Limit>,
    verdict: Verdict,
}

impl Rates {
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
    pub(crate) async fn chat(&self, user: UserId, tier: &str) -> Result<(), ApiError> {
        let counted = self.count(Rate::Chat, &Subject::User(user, tier.to_owned()), None).await;
        counted.map_or(Ok(()), |counted| counted.refusal().map_or(Ok(()), Err))
    }

    /// `None` where nothing limits it.
    async fn count(&self, rate: Rate, subject: &Subject, account: Option<&str>) -> Option<Counted> {
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
    fn limits(&self, rate: Rate, subject: &Subject, account: Option<&str>) -> Option<(String, Vec<Limit>)> {
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
            (rate, Subject::User(user, tier)) => {
                let quotas = self.tiers.of(tier)?;
                let mut limits = Vec::with_capacity(2);
                if rate == Rate::Chat {
                    limits.push(limit("chat", String::new(), quotas.chat));
                }
                limits.push(limit("calls", String::new(), quotas.calls));
                Some((format!("user:{user}"), limits))
            }
        }
    }
}

/// Addresses of people do not go to Redis.
fn account_digest(account: &str) -> String {
    let digest = digest::digest(&digest::SHA256, account.trim().to_lowercase().as_bytes());
    BASE64.encode(&digest.as_ref()[..16])
}

impl Counted {
    fn refusal(&self) -> Option<ApiError> {
        let refused = self.verdict.refused?;
        let Limit { name, quota, .. } = self.limits.get(refused.limit)?;
        Some(ApiError::RateLimited {
            limit: name,
            calls: quota.calls,
            window: quota.window,
            retry_after: seconds(refused.retry_after).max(1),
        })
    }

    /// `RateLimit` and `RateLimit-Policy`, as structured fields.
    fn tell(&self, response: &mut Response) {
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

/// The layer: counts the call, and gives one that waits a place of its own.
pub(crate) async fn limit(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let class = request.extensions().get::<Class>().copied().unwrap_or_else(|| Class::of(&request));
    let address = request.extensions().get().copied().unwrap_or(ClientAddress::UNKNOWN);
    let subject = subject(&state, request.headers(), address).await;
    let (request, account) = match named_account(&state, class.rate, request).await {
        Ok(named) => named,
        Err(error) => return error.into_response(),
    };
    let counted = state.rates.count(class.rate, &subject, account.as_deref()).await;
    let refusal = counted.as_ref().and_then(Counted::refusal);
    let mut response = match refusal {
        Some(refusal) => refusal.into_response(),
        None => placed(&state, class.pace, &subject, request, next).await,
    };
    if let Some(counted) = counted {
        counted.tell(&mut response);
    }
    response
}

async fn subject(state: &AppState, headers: &HeaderMap, address: ClientAddress) -> Subject {
    if let Some(token) = bearer_of(headers)
        && let Ok(user) = state.tokens.verify(token).await
    {
        return Subject::User(user, String::new());
    }
    Subject::Address(address.subscriber())
}

/// The account that a call which signs in is about: its body names it.
async fn named_account(state: &AppState, rate: Rate, request: Request) -> Result<(Request, Option<String>), ApiError> {
    #[derive(Deserialize)]
    struct Named {
        email: Option<String>,
    }
    if rate != Rate::SignIn || !state.rates.settings.enabled {
        return Ok((request, None));
    }
    let (parts, body) = request.into_parts();
    let config = &state.config.server;
    let bytes = receive(body, config.max_body, config.body_timeout).await?;
    // What cannot be read names nobody, and the handler says why.
    let account = serde_json::from_slice(&bytes).ok().and_then(|Named { email }| email);
    Ok((Request::from_parts(parts, Body::from(bytes)), account))
}

async fn placed(state: &AppState, pace: Pace, subject: &Subject, request: Request, next: Next) -> Response {
    let (Pace::Waits | Pace::Streams, Subject::User(user, _)) = (pace, subject) else { return next.run(request).await };
    let place = match state.places.waiting(*user) {
        Ok(place) => place,
        Err(error) => return error.into_response(),
    };
    if let Some(place) = request.extensions().get::<CallPlace>() {
        place.leave();
    }
    let response = next.run(request).await;
    if pace == Pace::Streams { response.map(|body| held(body, place)) } else { response }
}

/// The body, which keeps the place until it has ended.
fn held(body: Body, place: WaitingPlace) -> Body {
    use futures::StreamExt;
    Body::from_stream(body.into_data_stream().map(move |part| {
        _ = &place;
        part
    }))
}
