//! Limiters that need nobody: the one of this process alone, and the one that has it stand in for another.

mod local;
mod standing_in;

pub use local::LocalLimiter;
pub use standing_in::StandingIn;
