//! What all services that are spoken to over HTTP share: the client, and what their refusals mean.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::{Response, StatusCode, header::HeaderMap};
use serde_json::Value;
use troupe_shared::model::providers::Outcome;

use super::Failure;

/// Bytes of what a service says when it refuses that are read, and characters that are kept for the log.
const MOST_READ: usize = 64 * 1024;
const MOST_KEPT: usize = 500;

/// One for all services: connections are kept per address.
pub(super) fn client(connect_timeout: Duration) -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .connect_timeout(connect_timeout)
        .pool_idle_timeout(Duration::from_secs(30))
        // Keys go to the address that was configured, and nowhere else.
        .redirect(reqwest::redirect::Policy::none())
        .build()
}

/// A call that got no answer, or whose answer broke off.
pub(super) fn broken(error: &reqwest::Error) -> Failure {
    // Without the address: it may hold a secret, and it is in the configuration.
    let mut why = String::new();
    let mut source: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(error) = source {
        why = error.to_string();
        source = error.source();
    }
    if error.is_connect() {
        Failure::new(Outcome::Unreachable, format!("cannot connect: {why}"))
    } else if error.is_timeout() {
        Failure::new(Outcome::Unreachable, "the time to connect ran out")
    } else if error.is_body() || error.is_decode() {
        Failure::new(Outcome::Cut, format!("the answer broke off: {why}"))
    } else {
        Failure::new(Outcome::Unreachable, format!("the call failed: {why}"))
    }
}

/// An answer that is not a success.
pub(super) async fn refusal(mut response: Response) -> Failure {
    let (status, retry_after) = (response.status(), retry_after(response.headers()));
    let mut body = Vec::new();
    while body.len() < MOST_READ
        && let Ok(Some(part)) = response.chunk().await
    {
        body.extend_from_slice(&part);
    }
    let text = String::from_utf8_lossy(&body);
    let said = serde_json::from_str(&text).unwrap_or(Value::Null);
    let kept: String = text.chars().take(MOST_KEPT).collect();
    Failure {
        outcome: meaning(Some(status), &said),
        message: format!("the service answered {status}: {kept}"),
        retry_after,
    }
}

/// An error that a service reports inside a stream that began well.
pub(super) fn reported(said: &Value) -> Failure {
    let kept: String = said.to_string().chars().take(MOST_KEPT).collect();
    Failure::new(meaning(None, said), format!("the service broke off: {kept}"))
}

/// What a refusal means, by its status and by the words that services use in it. Their statuses alone say too little: an
/// empty purse is a 429 here, a 402 there, and elsewhere a 400.
fn meaning(status: Option<StatusCode>, said: &Value) -> Outcome {
    let error = said.get("error").unwrap_or(said);
    let word = |field: &str| error.get(field).and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    let (code, kind) = (word("code"), word("type"));
    let message = error.as_str().map_or_else(|| word("message"), str::to_ascii_lowercase);
    let says =
        |words: &[&str]| words.iter().any(|word| [&code, &kind, &message].iter().any(|said| said.contains(word)));

    let money = ["insufficient_quota", "billing", "credit balance", "quota exceeded", "exceeded your current quota"];
    let length =
        ["context_length_exceeded", "context length", "context window", "prompt is too long", "too many tokens"];
    let policy = ["content_filter", "content_policy", "content management policy", "responsible_ai"];
    match status.map(|status| status.as_u16()) {
        Some(402) => Outcome::OutOfMoney,
        Some(401 | 403) => Outcome::KeyRefused,
        Some(404) => Outcome::NoSuchModel,
        Some(413) => Outcome::TooLong,
        Some(429) | None if says(&money) => Outcome::OutOfMoney,
        Some(429) => Outcome::RateLimited,
        Some(400 | 422) if says(&length) => Outcome::TooLong,
        Some(400 | 422) if says(&policy) => Outcome::Filtered,
        Some(400 | 422) if says(&money) => Outcome::OutOfMoney,
        Some(400 | 422) if says(&["model_not_found"]) => Outcome::NoSuchModel,
        None if says(&["rate_limit"]) => Outcome::RateLimited,
        None if says(&policy) => Outcome::Filtered,
        // These ask to be tried again.
        Some(408 | 409 | 425) => Outcome::Failed,
        Some(400..=499) => Outcome::BadCall,
        _ => Outcome::Failed,
    }
}

/// In seconds or as a date, and as some services put it more exactly.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(milliseconds) = header("retry-after-ms").and_then(|value| value.parse().ok()) {
        return Some(Duration::from_millis(milliseconds));
    }
    let value = header("retry-after")?;
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = DateTime::parse_from_rfc2822(value).ok()?;
    #[expect(clippy::disallowed_methods, reason = "a date of the service's is only good against the clock on the wall")]
    let now = Utc::now();
    (date.with_timezone(&Utc) - now).to_std().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn statuses_and_words_have_one_meaning_each() {
        let cases = [
            (401, json!({}), Outcome::KeyRefused),
            (402, json!({}), Outcome::OutOfMoney),
            (404, json!({"error": {"code": "model_not_found"}}), Outcome::NoSuchModel),
            (429, json!({"error": {"code": "rate_limit_exceeded"}}), Outcome::RateLimited),
            (429, json!({"error": {"code": "insufficient_quota"}}), Outcome::OutOfMoney),
            (400, json!({"error": {"code": "context_length_exceeded"}}), Outcome::TooLong),
            (
                400,
                json!({"error": {"type": "invalid_request_error", "message": "prompt is too long: 9"}}),
                Outcome::TooLong,
            ),
            (400, json!({"error": {"message": "Your credit balance is too low"}}), Outcome::OutOfMoney),
            (400, json!({"error": {"code": "content_filter"}}), Outcome::Filtered),
            (400, json!("nonsense"), Outcome::BadCall),
            (418, Value::Null, Outcome::BadCall),
            (408, Value::Null, Outcome::Failed),
            (500, Value::Null, Outcome::Failed),
            (529, json!({"error": {"type": "overloaded_error"}}), Outcome::Failed),
        ];
        for (status, said, outcome) in cases {
            assert_eq!(meaning(StatusCode::from_u16(status).ok(), &said), outcome, "{status} {said}");
        }
        assert_eq!(meaning(None, &json!({"type": "overloaded_error"})), Outcome::Failed);
        assert_eq!(meaning(None, &json!({"error": {"type": "rate_limit_error"}})), Outcome::RateLimited);
    }

    #[test]
    fn the_time_to_come_again_is_understood_in_every_form() {
        let asked = |name: &'static str, value: &str| {
            retry_after(&HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]))
        };
        assert_eq!(asked("retry-after", "7"), Some(Duration::from_secs(7)));
        assert_eq!(asked("retry-after-ms", "250"), Some(Duration::from_millis(250)));
        assert!(
            asked("retry-after", "Tue, 31 Dec 2999 23:59:59 GMT").is_some_and(|time| time > Duration::from_hours(1))
        );
        assert_eq!(asked("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT"), None);
        assert_eq!(asked("retry-after", "soon"), None);
        assert_eq!(asked("retry-after", "-1"), None);
    }
}
