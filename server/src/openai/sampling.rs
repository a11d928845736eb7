//! The settings of a call, checked.

use serde::Deserialize;
use troupe_core::model::caller_options::Sampling;
use utoipa::ToSchema;

use crate::http::{error::ApiError, extract::validation::Checks};

const MAX_STOPS: usize = 4;
const MAX_STOP_BYTES: usize = 256;

/// A text, or several.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Stop {
    One(String),
    Several(Vec<String>),
}

impl Stop {
    pub(crate) fn into_list(self) -> Vec<String> {
        match self {
            Self::One(stop) => vec![stop],
            Self::Several(stops) => stops,
        }
    }
}

/// `max_tokens`: what the limit is called in the call.
pub(crate) fn check(sampling: &Sampling, max_tokens: &str) -> Result<(), ApiError> {
    let within = |value: Option<f32>, min: f32, max: f32| value.is_none_or(|value| (min..=max).contains(&value));
    let stops = &sampling.stop;
    let sound = stops.iter().all(|stop| (1..=MAX_STOP_BYTES).contains(&stop.len()) && !stop.contains('\0'));
    Checks::default()
        .rule(within(sampling.temperature, 0.0, 2.0), "temperature", "must be 0 to 2")
        .rule(within(sampling.top_p, 0.0, 1.0), "top_p", "must be 0 to 1")
        .rule(within(sampling.presence_penalty, -2.0, 2.0), "presence_penalty", "must be -2 to 2")
        .rule(within(sampling.frequency_penalty, -2.0, 2.0), "frequency_penalty", "must be -2 to 2")
        .rule(sampling.max_tokens != Some(0), max_tokens, "must be at least 1")
        .rule(stops.len() <= MAX_STOPS, "stop", "must not be more than four texts")
        .rule(sound, "stop", "must be texts of 1 to 256 bytes")
        .done()
}
