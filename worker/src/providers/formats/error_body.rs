//! Classification of what services report: error bodies, finish reasons, token counts. The only file that knows their
//! codes and phrases.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::{Response, StatusCode, header::HeaderMap};
use serde_json::Value;
use troupe_core::model::{Usage, providers::Outcome};

use crate::providers::{chat_model::FinishReason, failure::Failure};

/// Of an error body that are read, and of its message that are kept for the log.
const MAX_ERROR_BODY_BYTES: usize = 64 * 1024;
const MAX_QUOTED_CHARS: usize = 300;

/// The failure of a response that is no success.
pub(super) async fn error_response(mut response: Response) -> Failure {
    let status = response.status();
    let retry_after = retry_after(response.headers());
    let mut body = Vec::new();
    while body.len() < MAX_ERROR_BODY_BYTES
        && let Ok(Some(part)) = response.chunk().await
    {
        body.extend_from_slice(&part);
    }
    let error = ErrorBody::parse(&serde_json::from_slice(&body).unwrap_or(Value::Null));
    let outcome = classify(Some(status), &error);
    let quoted = error.quoted(outcome);
    Failure { retry_after, ..Failure::new(outcome, format!("the service answered {status}{quoted}")) }
}

/// The failure of an error inside a response of success, or in mid-stream.
pub(super) fn stream_error(error: &Value) -> Failure {
    let error = ErrorBody::parse(error);
    let outcome = classify(None, &error);
    let quoted = error.quoted(outcome);
    Failure::new(outcome, format!("the service reported an error{quoted}"))
}

/// Whether an `error` field is one: some services put an empty one into every answer.
pub(super) fn is_error(error: &Value) -> bool {
    match error {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => true,
    }
}

/// The parts of an error body that do not quote the prompt.
#[derive(Debug, Default)]
struct ErrorBody {
    /// Codes, types and the like, in lower case: identifiers that do not change.
    codes: Vec<String>,
    message: String,
}

impl ErrorBody {
    fn parse(body: &Value) -> Self {
        // Google wraps it in a list.
        let body = body.get(0).unwrap_or(body);
        let error = body.get("error").filter(|error| !error.is_null()).unwrap_or(body);
        let field = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let detail = body.get("detail").map_or(&Value::Null, |detail| detail.get(0).unwrap_or(detail));
        let objects = [
            error,
            body,
            detail,
            error.get("details").unwrap_or(&Value::Null),
            error.get("innererror").unwrap_or(&Value::Null),
        ];
        let fields = ["code", "type", "status", "error_code"];
        let codes = objects.iter().flat_map(|object| fields.map(|name| field(object, name).to_ascii_lowercase()));
        let messages = [
            error.as_str().unwrap_or_default().to_owned(),
            field(error, "message"),
            field(body, "message"),
            detail.as_str().unwrap_or_default().to_owned(),
            field(detail, "msg"),
            field(detail, "message"),
        ];
        Self {
            codes: codes.filter(|code| !code.is_empty()).collect(),
            message: messages.into_iter().find(|message| !message.is_empty()).unwrap_or_default(),
        }
    }

    fn has_code(&self, parts: &[&str]) -> bool {
        self.codes.iter().any(|code| parts.iter().any(|part| code.contains(part)))
    }

    /// In a code or in the message.
    fn mentions(&self, phrases: &[&str]) -> bool {
        let message = self.message.to_ascii_lowercase();
        self.has_code(phrases) || phrases.iter().any(|phrase| message.contains(phrase))
    }

    /// For operators. Without the message where a key was rejected: some services quote the key.
    fn quoted(&self, outcome: Outcome) -> String {
        let code = self.codes.first().map(|code| format!(": {code}")).unwrap_or_default();
        let message: String = self.message.chars().take(MAX_QUOTED_CHARS).collect();
        if message.is_empty() || outcome == Outcome::KeyRefused { code } else { format!("{code}: {message}") }
    }
}

const MONEY: &[&str] = &[
    "insufficient_quota",
    "insufficient_balance",
    "insufficient balance",
    "billing_error",
    "billing_hard_limit",
    "billing hard limit",
    "billing_not_active",
    "credit balance",
    "any credits",
    "available credits",
    "spend_limit",
    "spending limit",
    "api usage limits",
    "quota exceeded",
    "quota_exceeded",
    "exceeded your current quota",
];
const RATE: &[&str] = &["rate_limit", "resource_exhausted", "too_many_requests"];
const KEY: &[&str] =
    &["invalid_api_key", "authentication_error", "permission_error", "incorrect api key", "api key not valid"];
const MODEL: &[&str] = &["model_not_found", "not_found_error", "model_not_available", "does not have access to model"];
const LENGTH: &[&str] = &[
    "context_length_exceeded",
    "request_too_large",
    "string_above_max_length",
    "context length",
    "context window",
    "context limit",
    "prompt is too long",
    "maximum prompt length",
    "too many tokens",
];
const POLICY: &[&str] = &[
    "content_filter",
    "content_policy",
    "content management policy",
    "content filtering policy",
    "responsible_ai",
    "responsibleai",
    "usage guidelines",
];

/// The outcome by status and by the phrases that services use. Statuses alone say too little: an empty account is a 429
/// here, a 402 there, and elsewhere a 400; a wrong key is a 400 at xAI and Google.
#[expect(clippy::match_same_arms, reason = "a table by status, in which the order of phrases matters")]
fn classify(status: Option<StatusCode>, error: &ErrorBody) -> Outcome {
    match status.map(|status| status.as_u16()) {
        Some(402) => Outcome::OutOfMoney,
        Some(401 | 403) if error.has_code(MODEL) => Outcome::NoSuchModel,
        Some(403) if error.mentions(POLICY) => Outcome::Filtered,
        Some(401 | 403) if error.mentions(MONEY) => Outcome::OutOfMoney,
        Some(401 | 403) => Outcome::KeyRefused,
        Some(404) => Outcome::NoSuchModel,
        Some(413) => Outcome::TooLong,
        // By code first: the message of a rate limit may well mention billing, and Google's a quota.
        Some(429) if error.has_code(MONEY) => Outcome::OutOfMoney,
        Some(429) if error.has_code(RATE) => Outcome::RateLimited,
        Some(429) if error.mentions(MONEY) => Outcome::OutOfMoney,
        Some(429) => Outcome::RateLimited,
        Some(400 | 422) => classify_by_phrases(error).unwrap_or(Outcome::BadCall),
        // Retryable by their definition.
        Some(408 | 409 | 425 | 500..) => Outcome::Failed,
        Some(400..) => Outcome::BadCall,
        Some(_) => Outcome::Failed,
        None if error.has_code(RATE) => Outcome::RateLimited,
        None => classify_by_phrases(error).unwrap_or(Outcome::Failed),
    }
}

fn classify_by_phrases(error: &ErrorBody) -> Option<Outcome> {
    let known = [
        (LENGTH, Outcome::TooLong),
        (POLICY, Outcome::Filtered),
        (MONEY, Outcome::OutOfMoney),
        (MODEL, Outcome::NoSuchModel),
        (KEY, Outcome::KeyRefused),
    ];
    known.iter().find(|(phrases, _)| error.mentions(phrases)).map(|(_, outcome)| *outcome)
}

/// The finish reason, by the names of every format; `None` for none, or for a failure.
pub(super) fn finish_reason(reason: &str) -> Option<FinishReason> {
    match reason.to_ascii_lowercase().as_str() {
        "" | "error" => None,
        "length" | "max_tokens" | "model_length" | "model_context_window_exceeded" => Some(FinishReason::Length),
        "content_filter" | "safety" | "recitation" | "prohibited_content" => Some(FinishReason::ContentFilter),
        "refusal" => Some(FinishReason::Refusal),
        _ => Some(FinishReason::Stop),
    }
}

/// Token counts, by the names of every format; `None` where neither is there.
pub(super) fn usage(counts: &Value) -> Option<Usage> {
    let count = |names: &[&str]| {
        let counts = names.iter().filter_map(|name| counts.get(name)?.as_f64().map(|count| count as u32));
        counts.reduce(u32::saturating_add)
    };
    let prompt = count(&["prompt_tokens"])
        .or_else(|| count(&["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"]));
    let completion = count(&["completion_tokens"]).or_else(|| count(&["output_tokens"]));
    prompt.or(completion).map(|_| Usage {
        prompt_tokens: prompt.unwrap_or(0),
        completion_tokens: completion.unwrap_or(0),
        estimated: false,
    })
}

/// `retry-after` in seconds or as a date, and `retry-after-ms`.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let number = |name: &str| header(name).and_then(|value| value.parse::<f64>().ok());
    if let Some(milliseconds) = number("retry-after-ms") {
        return Duration::try_from_secs_f64(milliseconds / 1000.0).ok();
    }
    if let Some(seconds) = number("retry-after") {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = DateTime::parse_from_rfc2822(header("retry-after")?).ok()?;
    #[expect(clippy::disallowed_methods, reason = "a date in a header can only be compared with the wall clock")]
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
            (403, json!({"code": "x", "error": "Your team doesn't have any credits yet."}), Outcome::OutOfMoney),
            (403, json!({"error": {"code": "model_not_found"}}), Outcome::NoSuchModel),
            (404, json!({"error": {"code": "model_not_found"}}), Outcome::NoSuchModel),
            (404, json!({"type": "error", "error": {"type": "not_found_error"}}), Outcome::NoSuchModel),
            (413, json!({"error": {"type": "request_too_large"}}), Outcome::TooLong),
            (
                429,
                json!({"error": {"code": "rate_limit_exceeded", "message": "add a card at /billing"}}),
                Outcome::RateLimited,
            ),
            (
                429,
                json!({"error": {"message": "Rate limit reached. See https://x/account/billing"}}),
                Outcome::RateLimited,
            ),
            (429, json!({"error": {"code": "insufficient_quota"}}), Outcome::OutOfMoney),
            (429, json!({"error": {"message": "You exceeded your current quota"}}), Outcome::OutOfMoney),
            (
                429,
                json!([{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "You exceeded your current quota"}}]),
                Outcome::RateLimited,
            ),
            (
                429,
                json!({"error": {"type": "rate_limit_error", "details": {"error_code": "enforced_spend_limit_reached"}}}),
                Outcome::OutOfMoney,
            ),
            (400, json!({"error": {"code": "context_length_exceeded"}}), Outcome::TooLong),
            (
                400,
                json!({"error": {"type": "invalid_request_error", "message": "prompt is too long: 9"}}),
                Outcome::TooLong,
            ),
            (400, json!({"error": {"message": "Your credit balance is too low"}}), Outcome::OutOfMoney),
            (
                400,
                json!({"error": {"message": "You have reached your specified API usage limits."}}),
                Outcome::OutOfMoney,
            ),
            (400, json!({"error": {"code": "content_filter"}}), Outcome::Filtered),
            (400, json!({"error": {"message": "Output blocked by content filtering policy"}}), Outcome::Filtered),
            (
                400,
                json!({"code": "invalid argument", "error": "Incorrect API key provided: xa***"}),
                Outcome::KeyRefused,
            ),
            (422, json!({"detail": [{"msg": "exceeds the context window", "input": "secret"}]}), Outcome::TooLong),
            (400, json!("nonsense"), Outcome::BadCall),
            (418, Value::Null, Outcome::BadCall),
            (408, Value::Null, Outcome::Failed),
            (302, Value::Null, Outcome::Failed),
            (500, Value::Null, Outcome::Failed),
            (529, json!({"error": {"type": "overloaded_error"}}), Outcome::Failed),
        ];
        for (status, body, outcome) in cases {
            let found = classify(StatusCode::from_u16(status).ok(), &ErrorBody::parse(&body));
            assert_eq!(found, outcome, "{status} {body}");
        }
        let classified = |body: Value| stream_error(&body).outcome;
        assert_eq!(classified(json!({"type": "overloaded_error"})), Outcome::Failed);
        assert_eq!(classified(json!({"error": {"type": "rate_limit_error"}})), Outcome::RateLimited);
        assert_eq!(classified(json!({"error": {"type": "authentication_error"}})), Outcome::KeyRefused);
        assert_eq!(classified(json!("content_filter")), Outcome::Filtered);
    }

    #[test]
    fn only_its_own_words_are_quoted_of_a_service() {
        let body =
            json!({"detail": [{"msg": "Field required", "input": {"messages": ["a secret"]}}], "prompt": "a secret"});
        assert_eq!(stream_error(&body).message, "the service reported an error: Field required");
        let body = json!({"error": {"type": "server_error", "message": "m".repeat(1_000)}});
        assert_eq!(
            stream_error(&body).message.len(),
            "the service reported an error: server_error: ".len() + MAX_QUOTED_CHARS
        );
    }

    #[test]
    fn tokens_are_counted_under_any_name() {
        let counted = |counts: Value| usage(&counts).map(|usage| (usage.prompt_tokens, usage.completion_tokens));
        assert_eq!(counted(json!({"prompt_tokens": 9, "completion_tokens": 2.0, "input_tokens": 7})), Some((9, 2)));
        let cached = json!({"input_tokens": 4, "cache_read_input_tokens": 5, "cache_creation_input_tokens": null});
        assert_eq!(counted(cached), Some((9, 0)));
        assert_eq!(counted(json!({"output_tokens": -3})), Some((0, 0)));
        for nothing in [json!({}), json!(null), json!([1]), json!({"prompt_tokens": "many"})] {
            assert_eq!(counted(nothing.clone()), None, "{nothing}");
        }
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
        assert_eq!(asked("retry-after", "1e300"), None);
    }
}
