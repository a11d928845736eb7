//! JSON bodies: bounded, typed, and rejected with the name of the invalid field.

use axum::{
    extract::{FromRequest, Request},
    http::{HeaderMap, header},
};
use serde::de::DeserializeOwned;

use super::read_body::{receive, server_config};
use crate::http::error::ApiError;

/// A JSON body.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            return Err(ApiError::not_json());
        }
        let config = server_config(request.extensions())?;
        let bytes = receive(request.into_body(), config.max_body, config.body_timeout).await?;
        parse(&bytes).map(Self)
    }
}

pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

/// Parses JSON, of bodies and of socket messages.
pub(crate) fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, ApiError> {
    // Serde would accept an array for a struct, its items as the fields in order.
    if json.trim_ascii_start().starts_with(b"[") {
        return Err(ApiError::field("body", "must be an object"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let (path, inner) = (error.path().to_string(), error.inner());
        if !inner.is_data() {
            return ApiError::malformed_json(inner.to_string());
        }
        let message = inner.to_string();
        let message = message.split(" at line ").next().unwrap_or_default().to_owned();
        // Serde names a missing or unknown field in its message, in the object at `path`.
        let starts = ["missing field `", "unknown field `", "duplicate field `"];
        let named = starts.iter().find_map(|start| message.strip_prefix(start)?.split('`').next());
        let named = named.filter(|name| !name.is_empty());
        let field = match (path.as_str(), named) {
            ("." | "", Some(named)) => named.to_owned(),
            (path, Some(named)) if !path.ends_with(named) => format!("{path}.{named}"),
            ("." | "", None) => "body".to_owned(),
            (path, _) => path.to_owned(),
        };
        ApiError::field(&field, message)
    })?;
    deserializer.end().map_err(|e| ApiError::malformed_json(e.to_string()))?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only what is refused matters here")]
    struct Sent {
        content: String,
        #[serde(default)]
        inner: Option<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only what is refused matters here")]
    struct Inner {
        depth: u8,
    }

    fn fault(json: &str) -> String {
        let problem = parse::<Sent>(json.as_bytes()).unwrap_err().problem();
        let fields: Vec<_> = problem.errors.iter().map(|e| e.field.as_str()).collect();
        format!("{} {} [{}]", problem.status(), problem.code(), fields.join(","))
    }

    #[test]
    fn the_field_at_fault_is_named() {
        assert_eq!(fault(r#"{"content":"#), "400 malformed_json []");
        assert_eq!(fault("{} trailing"), "422 invalid [content]");
        assert_eq!(fault(r#"{"content":"a"} more"#), "400 malformed_json []");
        assert_eq!(fault(r#"{"content":5}"#), "422 invalid [content]");
        assert_eq!(fault(r#"{"content":"a","colour":1}"#), "422 invalid [colour]");
        assert_eq!(fault(r#"{"content":"a","inner":{"depth":300}}"#), "422 invalid [inner.depth]");
        assert_eq!(fault(r#"{"content":"a","inner":{}}"#), "422 invalid [inner.depth]");
        assert_eq!(fault("[]"), "422 invalid [body]");
        // What a caller writes is not what Serde says.
        assert_eq!(fault(r#"{"content":"a","":1}"#), "422 invalid [body]");
        assert_eq!(fault(r#""field `` and `field `""#), "422 invalid [body]");
        assert_eq!(fault(r#" ["a"]"#), "422 invalid [body]");
    }
}
