//! What a process tells those who look after it: its logs ([`logs`]), and on a listener of its own its metrics and
//! whether it is well ([`listener`]).

mod ecs;
pub mod listener;
pub mod logs;
pub mod wellbeing;

pub use listener::Listener;
pub use logs::init;
pub use wellbeing::{Part, Wellbeing};
