//! JSON bodies of `/v1`: fields that are not known are ignored, as OpenAI does, but a known one that is not supported
//! is refused by its name, and never dropped.

use std::collections::HashMap;

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, value::RawValue};

use crate::http::{
    error::ApiError,
    extract::{
        body::{is_json, parse},
        read_body::{receive, server_config},
    },
};

/// A known field that is not supported, and the values with which it asks for nothing.
pub(super) type Unsupported = (&'static str, fn(&Value) -> bool);

/// The body of a call.
pub(super) trait Call: DeserializeOwned {
    const UNSUPPORTED: &'static [Unsupported];
}

pub(super) struct OpenAiBody<T> {
    pub(super) call: T,
    /// The whole, for keys of idempotency.
    pub(super) bytes: Bytes,
}

impl<T: Call, S: Send + Sync> FromRequest<S> for OpenAiBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            return Err(ApiError::not_json());
        }
        let config = server_config(request.extensions())?;
        let bytes = receive(request.into_body(), config.max_history, config.body_timeout).await?;
        let call = parse(&bytes)?;
        refuse_unsupported(&bytes, T::UNSUPPORTED)?;
        Ok(Self { call, bytes })
    }
}

fn refuse_unsupported(bytes: &[u8], unsupported: &[Unsupported]) -> Result<(), ApiError> {
    // Raw: what nobody knows may be large.
    let fields: HashMap<String, &RawValue> = serde_json::from_slice(bytes).unwrap_or_default();
    let value = |name: &str| serde_json::from_str::<Value>(fields.get(name)?.get()).ok();
    let refused = unsupported
        .iter()
        .find(|(name, asks_nothing)| value(name).is_some_and(|value| !value.is_null() && !asks_nothing(&value)));
    refused.map_or(Ok(()), |(name, _)| Err(ApiError::field(name, "is not supported here")))
}

pub(super) fn is_never(_: &Value) -> bool {
    false
}

pub(super) fn is_false(value: &Value) -> bool {
    *value == Value::Bool(false)
}

pub(super) fn is_zero(value: &Value) -> bool {
    value.as_f64() == Some(0.0)
}

pub(super) fn is_one(value: &Value) -> bool {
    value.as_f64() == Some(1.0)
}

pub(super) fn is_empty(value: &Value) -> bool {
    let has_nothing = |fields: &Map<String, Value>| fields.values().all(Value::is_null);
    value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(has_nothing)
}

/// Tools are chosen where there are any.
pub(super) fn is_choice_of_none(value: &Value) -> bool {
    matches!(value.as_str(), Some("none" | "auto"))
}

pub(super) fn is_text(value: &Value) -> bool {
    value["type"] == "text" || *value == serde_json::json!(["text"])
}

/// Text of no particular form or length.
pub(super) fn is_plain(value: &Value) -> bool {
    let Some(settings) = value.as_object() else { return false };
    settings.iter().all(|(name, value)| match name.as_str() {
        "format" => value.is_null() || is_text(value),
        "verbosity" => value.is_null() || is_medium(value),
        _ => false,
    })
}

/// An effort, or a number of words, as the model has it anyway.
pub(super) fn is_medium(value: &Value) -> bool {
    matches!(value.as_str(), Some("medium"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_supported_is_refused_by_its_name_unless_it_asks_for_nothing() {
        const TABLE: &[Unsupported] = &[("tools", is_empty), ("n", is_one), ("audio", is_never)];
        let refused = |json: &str| refuse_unsupported(json.as_bytes(), TABLE).err().map(|e| e.problem().detail);
        for nothing in ["{}", r#"{"tools":[],"n":1,"audio":null,"other":{}}"#] {
            assert_eq!(refused(nothing), None, "{nothing}");
        }
        assert_eq!(refused(r#"{"n":2}"#).as_deref(), Some("n: is not supported here"));
        assert_eq!(refused(r#"{"tools":[{"type":"function"}]}"#).as_deref(), Some("tools: is not supported here"));
        assert_eq!(refused(r#"{"audio":{}}"#).as_deref(), Some("audio: is not supported here"));
    }
}
