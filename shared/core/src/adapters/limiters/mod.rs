//! Limiters that need nobody: the one of this process alone, and the one that has it stand in for another.

mod fallback;
mod local;

pub use fallback::FallbackLimiter;
pub use local::LocalLimiter;
