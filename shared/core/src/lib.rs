//! The contract between the web tier and the workers.
//!
//! `server` and `worker` depend on this crate and never on each other: what both must agree on (ids, the model, events,
//! jobs, configuration) is here, as are the adapters to Redis and other services, behind the ports.

pub mod adapters;
pub mod batch;
pub mod circuit_breaker;
pub mod clock;
pub mod config;
pub mod doctor;
pub mod events;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod histogram;
pub mod ids;
pub mod jobs;
pub mod languages;
pub mod lifecycle;
pub mod mask;
pub mod media_type;
pub mod metrics;
pub mod model;
pub mod one_time_link;
pub mod ports;
pub mod problem;
pub mod quota;
pub mod token_estimate;
pub mod trace;
pub mod transliteration;
pub mod wav;
pub mod web_push;
