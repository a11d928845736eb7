//! Web Push: tells a user's browsers that a reply is there, if nobody was looking when it came.
//!
//! The check is done when a reply ends, and the telling is a job, so a push service that is slow holds no reply up.
//! What is told twice is shown once: browsers replace a notification by the next with its request.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use troupe_core::{
    adapters::outgoing::{Outgoing, Posted},
    clock::Clock,
    config,
    jobs::{Payload, TellBrowsers},
    metrics::OutcomeLabel,
    ports::EventBus,
    web_push::{BrowserKeys, VapidKey, encrypt},
};
use troupe_db::{
    accounts::push_subscriptions::{self, Subscription},
    jobs::{NewJob, enqueue::enqueue},
    replies::claim::Claimed,
    with_response_timeout,
};

use crate::{
    metrics::PUSH,
    work::{Context, Job, JobError, Outcome, RetryPolicy, Settings},
};

/// How much of a reply is in a notification.
const EXCERPT_CHARS: usize = 140;
const TIME_LIMIT: Duration = Duration::from_mins(1);
const ATTEMPTS: u32 = 4;
const RETRY_BASE: Duration = Duration::from_secs(2);
/// A notification of something this old is of no use any more.
const RETRY_CAP: Duration = Duration::from_mins(1);
/// How long a push service keeps what it cannot deliver: a day.
const TIME_TO_LIVE: &str = "86400";

/// Enqueues the telling of a reply's end, where the user wants to be told and has no connection that was.
pub(crate) async fn tell_if_nobody_looks(
    pool: &sqlx::PgPool,
    bus: &dyn EventBus,
    claimed: &Claimed,
    kind: &'static str,
) {
    if !claimed.notify {
        return;
    }
    let looked = bus.listeners(claimed.user_id).await;
    match looked {
        Ok(0) => {}
        Ok(_) => return,
        Err(error) => return tracing::warn!(%error, "nobody is told of a reply: it is not known who looks"),
    }
    let job =
        NewJob::new(&TellBrowsers { user_id: claimed.user_id, request_id: claimed.request_id, kind: kind.to_owned() });
    if let Err(error) = with_response_timeout(enqueue(pool, &job)).await {
        tracing::warn!(%error, "browsers are not told of a reply");
    }
}

/// The kind of job.
pub(crate) struct BrowserNotification {
    outgoing: Outgoing,
    clock: Arc<dyn Clock>,
    contact: String,
}

impl BrowserNotification {
    /// `None` where it is switched off.
    pub(crate) fn new(config: &config::Config, clock: Arc<dyn Clock>, outgoing: Outgoing) -> Option<Self> {
        config.push.enabled.then(|| Self { outgoing, clock, contact: config.push.contact(&config.server) })
    }

    async fn tell(&self, context: &Context, key: &VapidKey, to: &Subscription, text: &[u8]) -> Result<(), JobError> {
        let keys = BrowserKeys { p256dh: &to.p256dh, auth: &to.auth };
        // Keys that are no keys: it can never be told.
        let Ok(body) = encrypt(text, keys) else {
            return Ok(push_subscriptions::forget(&context.pool, &to.endpoint).await?);
        };
        let origin = url::Url::parse(&to.endpoint).map(|url| url.origin().ascii_serialization()).unwrap_or_default();
        let signed = key.authorization(&origin, &self.contact, self.clock.now()).map_err(JobError::failed)?;
        let headers = [
            ("authorization", signed.as_str()),
            ("content-encoding", "aes128gcm"),
            ("content-type", "application/octet-stream"),
            ("ttl", TIME_TO_LIVE),
            ("urgency", "normal"),
        ];
        let posted = self.outgoing.post(&to.endpoint, &headers, body).await;
        let outcome = match &posted {
            Ok(Posted { status: 200..=299, .. }) => "told",
            Ok(Posted { status: 404 | 410, .. }) => "gone",
            Ok(Posted { status: 400..=499, .. }) => "refused",
            _ => "failed",
        };
        PUSH.sent.get_or_create(&OutcomeLabel { outcome }).inc();
        match outcome {
            "told" => Ok(()),
            "gone" => Ok(push_subscriptions::forget(&context.pool, &to.endpoint).await?),
            // Another try would be refused, too, but for one that came too early.
            "refused" if !matches!(posted, Ok(Posted { status: 429, .. })) => {
                tracing::warn!(%origin, ?posted, "a push service refuses a notification");
                Ok(())
            }
            _ => {
                let after = posted.as_ref().ok().and_then(|posted| posted.retry_after);
                Err(JobError::Failed { why: format!("{origin}: {posted:?}"), after })
            }
        }
    }
}

impl Job for BrowserNotification {
    const KIND: &'static str = TellBrowsers::KIND;
    type Payload = TellBrowsers;

    fn settings(&self) -> Settings {
        Settings {
            weight: 4,
            concurrency: 8,
            retry: RetryPolicy::doubling(Some(ATTEMPTS), RETRY_BASE, RETRY_CAP),
            time_limit: TIME_LIMIT,
            kept: Duration::ZERO,
            dead_letter_kept: Some(Duration::from_hours(24)),
        }
    }

    async fn run(&self, payload: TellBrowsers, context: &Context) -> Result<Outcome, JobError> {
        let browsers = push_subscriptions::list(&context.pool, payload.user_id).await?;
        let told = push_subscriptions::ended(&context.pool, payload.user_id, payload.request_id).await?;
        let (Some(told), false) = (told, browsers.is_empty()) else { return Ok(Outcome::DONE) };
        // Made before the first browser was added.
        let pkcs8 = push_subscriptions::key(&context.pool).await?;
        let pkcs8 = pkcs8.ok_or_else(|| JobError::failed("there is no key for push"))?;
        let key = VapidKey::read(&pkcs8).map_err(JobError::failed)?;
        let excerpt: String = told.reply.unwrap_or_default().chars().take(EXCERPT_CHARS).collect();
        let text = json!({
            "type": payload.kind, "conversation_id": told.conversation_id, "request_id": payload.request_id,
            "persona": told.persona, "excerpt": excerpt,
        })
        .to_string();
        let mut failed = None;
        for browser in &browsers {
            if let Err(error) = self.tell(context, &key, browser, text.as_bytes()).await {
                failed = Some(error);
            }
        }
        failed.map_or(Ok(Outcome::DONE), Err)
    }

    /// A notification that cannot be told is nothing that anybody has to look at.
    async fn give_up(&self, _: TellBrowsers, _: &Context, error: &str) -> Result<Outcome, JobError> {
        tracing::warn!(error, "browsers were not told of a reply");
        Ok(Outcome::DONE)
    }
}
