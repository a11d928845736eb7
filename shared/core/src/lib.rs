//! What the web tier and the workers both speak.
//!
//! `server` and `worker` depend on this crate and never on each other: whatever both must agree on (ids, the model and
//! its SQL, events, jobs, configuration) lives here, and adapters to Redis are built here behind the ports.

pub mod adapters;
pub mod batch;
pub mod circuit_breaker;
pub mod clock;
pub mod config;
pub mod estimate;
pub mod events;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod histogram;
pub mod ids;
pub mod jobs;
pub mod lifecycle;
pub mod mask;
pub mod media_type;
pub mod model;
pub mod password_link;
pub mod ports;
pub mod problem;
pub mod quota;
pub mod telemetry;
