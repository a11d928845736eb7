//! What holds for which address of the API.

use std::time::Duration;

use axum::{
    extract::{MatchedPath, Request},
    http::Method,
};
use troupe_core::config::Server;

/// How often it may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rate {
    /// As often as anybody likes: it is answered from memory, or asked by those who look after this process.
    Free,
    /// Users by what their tier has for all calls, everybody else by address.
    General,
    /// By address and by the account that the body names: passwords are guessed here.
    SignIn,
    /// By what the user's tier has for messages, and as any other call.
    Chat,
}

/// How long it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    Quick,
    /// For as long as it was asked to.
    Waits,
    /// For as long as its body takes.
    Uploads,
    /// Its answer has no end that is known beforehand.
    Streams,
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

    /// The longest that it may take until its answer begins.
    pub(crate) fn time(self, config: &Server) -> Duration {
        config.call_timeout
            + match self.pace {
                Pace::Quick | Pace::Streams => Duration::ZERO,
                Pace::Waits => config.max_wait,
                Pace::Uploads => config.upload_timeout,
            }
    }
}

fn class(method: &Method, path: Option<&str>, waits: bool) -> Class {
    let patience = if waits { Pace::Waits } else { Pace::Quick };
    let method = if method == Method::HEAD { "GET" } else { method.as_str() };
    let (rate, pace) = match (method, path.map(|path| path.strip_prefix("/api/v1").unwrap_or(path))) {
        ("GET", Some("/" | "/docs" | "/docs/problems" | "/openapi.json" | "/assets/{name}" | "/health" | "/ready")) => {
            (Rate::Free, Pace::Quick)
        }
        // Passwords, tokens and mailed links are tried here.
        ("POST", Some("/auth/login" | "/auth/register" | "/auth/refresh" | "/auth/password-resets"))
        | ("PUT", Some("/auth/password" | "/auth/password-resets"))
        | ("DELETE", Some("/auth/me")) => (Rate::SignIn, Pace::Quick),
        ("POST", Some("/conversations/{id}/messages")) => (Rate::Chat, patience),
        ("GET", Some("/requests/{id}")) => (Rate::General, patience),
        (
            "GET",
            Some(
                "/requests/{id}/events"
                | "/personas/{slug}/responses/export"
                | "/personas/{slug}/training.jsonl"
                | "/auth/me/exports/{id}/content"
                | "/admin/audit/export",
            ),
        ) => (Rate::General, Pace::Streams),
        ("POST", Some("/personas/{slug}/documents" | "/personas/{slug}/responses/import")) => {
            (Rate::General, Pace::Uploads)
        }
        // Also what is nobody's address: it is looked for by those who do not know their way about.
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
            (Method::DELETE, "/api/v1/auth/me", Rate::SignIn, Pace::Quick),
            (Method::GET, "/api/v1/auth/me/exports/{id}/content", Rate::General, Pace::Streams),
            (Method::GET, "/api/v1/admin/audit/export", Rate::General, Pace::Streams),
            (Method::POST, "/api/v1/auth/refresh", Rate::SignIn, Pace::Quick),
            (Method::POST, "/api/v1/conversations/{id}/messages", Rate::Chat, Pace::Waits),
            (Method::GET, "/api/v1/requests/{id}", Rate::General, Pace::Waits),
            (Method::HEAD, "/api/v1/requests/{id}", Rate::General, Pace::Waits),
            (Method::GET, "/api/v1/requests/{id}/events", Rate::General, Pace::Streams),
            (Method::GET, "/api/v1/personas/{slug}/responses/export", Rate::General, Pace::Streams),
            (Method::GET, "/api/v1/personas/{slug}/training.jsonl", Rate::General, Pace::Streams),
            (Method::POST, "/api/v1/personas/{slug}/documents", Rate::General, Pace::Uploads),
            (Method::POST, "/api/v1/personas/{slug}/responses/import", Rate::General, Pace::Uploads),
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
