//! The status of the providers: what workers have published, the counters of the last minutes, and the last checks.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use troupe_core::{
    clock::{Clock, SystemClock},
    histogram::percentile,
    model::providers::{Check, Link, Outcome, Rest},
    ports::{EndpointState, LOOK_UPS},
};
use troupe_db::operations::provider_checks;
use utoipa::ToSchema;

use super::Admin;
use crate::{health::DependencyStatus, http::error::ApiError};

/// The window of the counters.
const WINDOW_MINUTES: u32 = 15;
/// The error rate above which a provider is amber.
const AMBER_ERROR_RATE: f64 = 0.1;

/// All providers at a moment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AiStatus {
    at: DateTime<Utc>,
    /// `ok`, or `away`: then only the checks are known.
    redis: DependencyStatus,
    /// The window of the counters, in minutes.
    minutes: u32,
    providers: Vec<ProviderStatus>,
    /// Retrievals by mode: `hybrid`, `keyword`, `vector`, or `none` where nothing was found.
    look_ups: HashMap<String, u64>,
    cache: CacheStatus,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Light {
    Green,
    Amber,
    Red,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Breaker {
    /// Calls are admitted.
    Closed,
    /// Calls are denied.
    Open,
    /// The next call is a probe.
    HalfOpen,
}

/// One provider with one of its keys.
#[derive(Debug, Serialize, ToSchema)]
struct ProviderStatus {
    #[schema(example = "openai")]
    provider: String,
    /// The key's alias.
    #[schema(example = "default")]
    key: Option<String>,
    light: Light,
    /// Why it is not green.
    why: Option<String>,
    breaker: Breaker,
    /// When it may be called again, and why it is not called until then.
    rest: Option<Rest>,
    /// When it last completed a reply.
    last_success: Option<DateTime<Utc>>,
    calls: u64,
    error_rate: f64,
    /// The number of calls by outcome.
    outcomes: HashMap<String, u64>,
    /// Calls that were made because another provider was slow.
    hedges: u64,
    /// From the call to the first token.
    first_word_ms: Percentiles,
    /// From the call to the end, of complete replies.
    whole_ms: Percentiles,
    check: Check,
}

#[derive(Debug, Default, Serialize, ToSchema)]
struct Percentiles {
    p50: Option<u32>,
    p95: Option<u32>,
    p99: Option<u32>,
}

/// Lookups in the cache of replies, since the start of Redis.
#[derive(Debug, Default, Serialize, ToSchema)]
struct CacheStatus {
    hits: u64,
    misses: u64,
    hit_rate: Option<f64>,
}

/// What is read from Redis.
#[derive(Default)]
struct Board {
    states: HashMap<String, EndpointState>,
    counts: HashMap<String, u64>,
    last_successes: HashMap<String, DateTime<Utc>>,
    cache: CacheStatus,
}

pub(crate) async fn ai_status(admin: &Admin) -> Result<AiStatus, ApiError> {
    let at = SystemClock.now();
    let checks = provider_checks::all(&admin.pool).await?;
    let (redis, board) = match read_board(admin, at).await {
        Ok(board) => (DependencyStatus::Ok, board),
        Err(error) => {
            tracing::warn!(%error, "the providers are shown without what workers tell of them");
            (DependencyStatus::Away, Board::default())
        }
    };
    let Board { mut states, counts, mut last_successes, cache } = board;
    let mut by_endpoint = by_endpoint(counts);
    let look_ups = by_endpoint.remove(LOOK_UPS).unwrap_or_default();
    let provider = |check: Check| {
        let link = Link { provider: check.provider.clone(), key: check.key.clone(), model: None };
        let name = link.to_string();
        let rest = states.remove(&name).and_then(|state| state.rest);
        let counts = by_endpoint.remove(&name).unwrap_or_default();
        status(check, rest, last_successes.remove(&name), &counts, at)
    };
    let providers = checks.into_iter().map(provider).collect();
    Ok(AiStatus { at, redis, minutes: WINDOW_MINUTES, providers, look_ups, cache })
}

async fn read_board(admin: &Admin, at: DateTime<Utc>) -> Result<Board, troupe_core::ports::PortError> {
    let (states, counts, last_successes, lookups) = tokio::try_join!(
        admin.board.states(),
        admin.board.counts(at, WINDOW_MINUTES),
        admin.board.last_successes(),
        admin.reply_cache.lookups()
    )?;
    let all = lookups.hits + lookups.misses;
    let hit_rate = (all > 0).then(|| rounded(lookups.hits as f64 / all as f64));
    let cache = CacheStatus { hits: lookups.hits, misses: lookups.misses, hit_rate };
    Ok(Board { states, counts, last_successes, cache })
}

/// The counters by endpoint and name.
fn by_endpoint(counts: HashMap<String, u64>) -> HashMap<String, HashMap<String, u64>> {
    let mut sorted: HashMap<String, HashMap<String, u64>> = HashMap::new();
    for (field, count) in counts {
        if let Some((endpoint, what)) = field.split_once('|') {
            sorted.entry(endpoint.to_owned()).or_default().insert(what.to_owned(), count);
        }
    }
    sorted
}

fn status(
    check: Check,
    rest: Option<Rest>,
    last_success: Option<DateTime<Utc>>,
    counts: &HashMap<String, u64>,
    at: DateTime<Utc>,
) -> ProviderStatus {
    let is_outcome = |what: &str| !what.contains(':') && what != "hedge";
    let outcomes: HashMap<_, _> =
        counts.iter().filter(|(what, _)| is_outcome(what)).map(|(what, count)| (what.clone(), *count)).collect();
    let calls: u64 = outcomes.values().sum();
    // An abandoned call, or one that lost to a hedge, says nothing about the provider.
    let own = |outcome: Outcome| outcomes.get(&outcome.to_string()).copied().unwrap_or(0);
    let judged = calls - own(Outcome::Abandoned) - own(Outcome::Outrun);
    let well = own(Outcome::Completed) + own(Outcome::Refused);
    let error_rate = if judged == 0 { 0.0 } else { rounded((judged - well) as f64 / judged as f64) };
    let breaker = match &rest {
        None => Breaker::Closed,
        Some(rest) if rest.until > at => Breaker::Open,
        Some(rest) if rest.why == Outcome::RateLimited => Breaker::Closed,
        Some(_) => Breaker::HalfOpen,
    };
    let (light, why) = light(&check, rest.as_ref(), breaker, error_rate);
    ProviderStatus {
        provider: check.provider.clone(),
        key: check.key.clone(),
        light,
        why,
        breaker,
        rest: rest.filter(|_| breaker != Breaker::Closed),
        last_success,
        calls,
        error_rate,
        outcomes,
        hedges: counts.get("hedge").copied().unwrap_or(0),
        first_word_ms: percentiles(counts, "first_word:"),
        whole_ms: percentiles(counts, "whole:"),
        check,
    }
}

fn light(check: &Check, rest: Option<&Rest>, breaker: Breaker, error_rate: f64) -> (Light, Option<String>) {
    match (breaker, rest) {
        (Breaker::Open, Some(rest)) if rest.why == Outcome::RateLimited => {
            return (Light::Amber, Some("its key is used too much and rests".to_owned()));
        }
        (Breaker::Open, Some(rest)) => {
            let why = match rest.why {
                Outcome::OutOfMoney => "there is no money behind its key".to_owned(),
                Outcome::KeyRefused => "its key is not accepted".to_owned(),
                why => format!("it failed too often, last: {why}"),
            };
            return (Light::Red, Some(why));
        }
        (Breaker::HalfOpen, _) => return (Light::Amber, Some("the next call finds out if it is well".to_owned())),
        _ => {}
    }
    match &check.outcome {
        Some(outcome) if *outcome != Outcome::Completed.to_string() => {
            (Light::Red, Some(format!("the last check failed: {outcome}")))
        }
        _ if error_rate > AMBER_ERROR_RATE => {
            (Light::Amber, Some(format!("{:.0} of 100 calls fail", error_rate * 100.0)))
        }
        _ => (Light::Green, None),
    }
}

fn percentiles(counts: &HashMap<String, u64>, what: &str) -> Percentiles {
    let buckets: Vec<(u32, u64)> =
        counts.iter().filter_map(|(field, count)| Some((field.strip_prefix(what)?.parse().ok()?, *count))).collect();
    let of = |share| percentile(buckets.clone(), share);
    Percentiles { p50: of(0.5), p95: of(0.95), p99: of(0.99) }
}

fn rounded(share: f64) -> f64 {
    (share * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn check(outcome: Outcome) -> Check {
        Check {
            provider: "openai".to_owned(),
            key: Some("default".to_owned()),
            checked_at: None,
            outcome: Some(outcome.to_string()),
            detail: None,
            ms: None,
            next_at: DateTime::UNIX_EPOCH,
        }
    }

    fn seen(counts: &[(&str, u64)], rest: Option<(i64, Outcome)>, checked: Outcome) -> ProviderStatus {
        let at = DateTime::UNIX_EPOCH + TimeDelta::seconds(100);
        let until = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        let rest = rest.map(|(seconds, why)| Rest { since: at, until: until(seconds), why, pauses: 1 });
        let counts = counts.iter().map(|(what, count)| ((*what).to_owned(), *count)).collect();
        status(check(checked), rest, None, &counts, at)
    }

    #[test]
    fn the_light_says_the_worst_that_is_known() {
        let well = Outcome::Completed;
        let shown = |counts: &[(&str, u64)], rest, checked| {
            let status = seen(counts, rest, checked);
            (status.light, status.breaker)
        };
        assert_eq!(shown(&[("completed", 99), ("cut", 1)], None, well), (Light::Green, Breaker::Closed));
        assert_eq!(shown(&[("completed", 80), ("cut", 20)], None, well), (Light::Amber, Breaker::Closed));
        assert_eq!(shown(&[], None, Outcome::Unreachable), (Light::Red, Breaker::Closed));
        assert_eq!(shown(&[], Some((101, Outcome::Failed)), well), (Light::Red, Breaker::Open));
        assert_eq!(shown(&[], Some((99, Outcome::Failed)), well), (Light::Amber, Breaker::HalfOpen));
        assert_eq!(shown(&[], Some((101, Outcome::RateLimited)), well), (Light::Amber, Breaker::Open));
        assert_eq!(shown(&[], Some((99, Outcome::RateLimited)), well), (Light::Green, Breaker::Closed));
    }

    #[test]
    fn what_lost_a_race_is_no_error() {
        let status =
            seen(&[("completed", 5), ("outrun", 5), ("first_word:21", 3), ("hedge", 2)], None, Outcome::Completed);
        assert_eq!((status.calls, status.error_rate, status.hedges), (10, 0.0, 2));
        assert_eq!(status.first_word_ms.p50, Some(108));
        assert_eq!(status.whole_ms.p50, None);
    }
}
