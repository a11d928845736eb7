//! Route classes: which rate limit and which time limit applies to which route.

use std::time::Duration;

use axum::{
    extract::{MatchedPath, Request},
    http::Method,
};
use troupe_core::config::Server;

/// Which rate limit applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rate {
    /// None: answered from memory, or called by probes.
    Free,
    /// Users by their tier's quota for all calls, anonymous callers by address.
    General,
    /// By address and by the account that the body names: limits guessing of passwords.
    SignIn,
    /// By the tier's quota for messages, and the quota for all calls.
    Chat,
}

/// How long it may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    Quick,
    /// As long as its `wait` parameter asks for.
    Waits,
    /// As long as its body takes.
    Uploads,
    /// A response of unknown length.
    Streams,
    /// As long as a whole reply takes; its body may hold a history. Or a response of unknown length.
    Replies,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Class {
    pub(crate) rate: Rate,
    pub(crate) pace: Pace,
}

impl Class {
    pub(crate) fn of(request: &Request) -> Self {
        let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        let waits = request.uri().query().is_some_and(asks_to_wait);
        class(request.method(), path, waits)
    }

    /// The time limit until the response begins.
    pub(crate) fn time_limit(self, config: &Server) -> Duration {
        config.call_timeout
            + match self.pace {
                Pace::Quick | Pace::Streams => Duration::ZERO,
                Pace::Waits => config.max_wait,
                Pace::Uploads => config.upload_timeout,
                Pace::Replies => config.reply_timeout,
            }
    }
}

fn class(method: &Method, path: Option<&str>, waits: bool) -> Class {
    let waiting_pace = if waits { Pace::Waits } else { Pace::Quick };
    let method = if method == Method::HEAD { "GET" } else { method.as_str() };
    let (rate, pace) = match (method, path.map(|path| path.strip_prefix("/api/v1").unwrap_or(path))) {
        (
            "GET",
            Some(
                "/" | "/docs" | "/docs/models" | "/docs/problems" | "/design" | "/sw.js" | "/openapi.json"
                | "/assets/{*path}" | "/health" | "/ready",
            ),
        ) => (Rate::Free, Pace::Quick),
        // Passwords, tokens and mailed links are tried here.
        (
            "POST",
            Some(
                "/auth/login"
                | "/auth/register"
                | "/auth/refresh"
                | "/auth/password-resets"
                | "/auth/email-verifications",
            ),
        )
        | ("PUT", Some("/auth/password" | "/auth/password-resets" | "/auth/email-verifications"))
        | ("DELETE", Some("/auth/me")) => (Rate::SignIn, Pace::Quick),
        ("POST", Some("/conversations/{id}/messages" | "/requests/{id}/regenerate" | "/requests/{id}/continue")) => {
            (Rate::Chat, waiting_pace)
        }
        ("POST", Some("/v1/chat/completions" | "/v1/responses")) => (Rate::Chat, Pace::Replies),
        ("POST", Some("/v1/embeddings" | "/v1/audio/speech")) => (Rate::General, Pace::Replies),
        (
            "GET",
            Some(
                "/requests/{id}"
                | "/requests/{id}/sentences"
                | "/requests/{id}/speech"
                | "/requests/{id}/speech/{sentence}",
            ),
        ) => (Rate::General, waiting_pace),
        // It waits for a translator.
        ("GET", Some("/translation/placeholder")) => (Rate::General, Pace::Waits),
        (
            "GET",
            Some(
                "/requests/{id}/events"
                | "/v1/responses/{id}"
                | "/personas/{slug}/responses/export"
                | "/personas/{slug}/training.jsonl"
                | "/auth/me/exports/{id}/content"
                | "/admin/audit/export",
            ),
        ) => (Rate::General, Pace::Streams),
        ("POST", Some("/personas/{slug}/documents" | "/personas/{slug}/responses/import" | "/personas/import"))
        | ("PUT", Some("/personas/{slug}/avatar" | "/personas/{slug}/lorebook")) => (Rate::General, Pace::Uploads),
        // Includes unknown paths, which scanners try.
        _ => (Rate::General, Pace::Quick),
    };
    Class { rate, pace }
}

fn asks_to_wait(query: &str) -> bool {
    query.split('&').any(|parameter| parameter.strip_prefix("wait=").is_some_and(|time| time != "0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_asked_to_wait_waits() {
        for (query, waits) in
            [("wait=5", true), ("after=x&wait=5", true), ("wait=0", false), ("waits=5", false), ("", false)]
        {
            assert_eq!(asks_to_wait(query), waits, "{query}");
        }
    }

    /// A path that is renamed must not lose its class silently.
    #[test]
    fn the_addresses_that_are_named_are_addresses() {
        let described = crate::openapi().paths.paths;
        for (method, path, rate, pace) in [
            (Method::POST, "/api/v1/auth/login", Rate::SignIn, Pace::Quick),
            (Method::POST, "/api/v1/auth/register", Rate::SignIn, Pace::Quick),
            (Method::POST, "/api/v1/auth/password-resets", Rate::SignIn, Pace::Quick),
            (Method::PUT, "/api/v1/auth/password-resets", Rate::SignIn, Pace::Quick),
            (Method::POST, "/api/v1/auth/email-verifications", Rate::SignIn, Pace::Quick),
            (Method::PUT, "/api/v1/auth/email-verifications", Rate::SignIn, Pace::Quick),
            (Method::DELETE, "/api/v1/auth/me", Rate::SignIn, Pace::Quick),
            (Method::GET, "/api/v1/auth/me/exports/{id}/content", Rate::General, Pace::Streams),
            (Method::GET, "/api/v1/admin/audit/export", Rate::General, Pace::Streams),
            (Method::POST, "/api/v1/auth/refresh", Rate::SignIn, Pace::Quick),
            (Method::POST, "/api/v1/conversations/{id}/messages", Rate::Chat, Pace::Waits),
            (Method::POST, "/api/v1/requests/{id}/regenerate", Rate::Chat, Pace::Waits),
            (Method::POST, "/api/v1/requests/{id}/continue", Rate::Chat, Pace::Waits),
            (Method::GET, "/api/v1/requests/{id}", Rate::General, Pace::Waits),
            (Method::HEAD, "/api/v1/requests/{id}", Rate::General, Pace::Waits),
            (Method::GET, "/api/v1/requests/{id}/sentences", Rate::General, Pace::Waits),
            (Method::GET, "/api/v1/requests/{id}/speech", Rate::General, Pace::Waits),
            (Method::GET, "/api/v1/requests/{id}/speech/{sentence}", Rate::General, Pace::Waits),
            (Method::GET, "/api/v1/translation/placeholder", Rate::General, Pace::Waits),
            (Method::GET, "/translation/placeholder", Rate::General, Pace::Waits),
            (Method::GET, "/api/v1/requests/{id}/events", Rate::General, Pace::Streams),
            (Method::GET, "/api/v1/personas/{slug}/responses/export", Rate::General, Pace::Streams),
            (Method::GET, "/api/v1/personas/{slug}/training.jsonl", Rate::General, Pace::Streams),
            (Method::POST, "/api/v1/personas/{slug}/documents", Rate::General, Pace::Uploads),
            (Method::POST, "/api/v1/personas/{slug}/responses/import", Rate::General, Pace::Uploads),
            (Method::POST, "/api/v1/personas/import", Rate::General, Pace::Uploads),
            (Method::PUT, "/api/v1/personas/{slug}/lorebook", Rate::General, Pace::Uploads),
            (Method::PUT, "/api/v1/personas/{slug}/avatar", Rate::General, Pace::Uploads),
            (Method::POST, "/v1/chat/completions", Rate::Chat, Pace::Replies),
            (Method::POST, "/v1/responses", Rate::Chat, Pace::Replies),
            (Method::POST, "/v1/embeddings", Rate::General, Pace::Replies),
            (Method::POST, "/v1/audio/speech", Rate::General, Pace::Replies),
            (Method::GET, "/v1/responses/{id}", Rate::General, Pace::Streams),
            (Method::GET, "/api/v1/ws", Rate::General, Pace::Quick),
            (Method::GET, "/health", Rate::Free, Pace::Quick),
            (Method::GET, "/ready", Rate::Free, Pace::Quick),
        ] {
            assert!(described.contains_key(path), "{path} is no address");
            assert_eq!(class(&method, Some(path), true), Class { rate, pace }, "{method} {path}");
        }
        assert_eq!(class(&Method::GET, None, true), Class { rate: Rate::General, pace: Pace::Quick });
    }
}
