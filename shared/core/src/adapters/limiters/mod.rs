//! Limiters in this process: a local one, and a shared one with a local fallback.

mod fallback;
mod local;

pub use fallback::{FallbackLimiter, METRICS};
pub use local::LocalLimiter;
