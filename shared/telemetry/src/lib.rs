//! What a process tells those who look after it: its logs ([`logs`]), its traces ([`Traces`]), and on a listener of its
//! own its metrics and whether it is well ([`listener`]).

mod ecs;
mod lateness;
pub mod listener;
pub mod logs;
mod traces;
pub mod wellbeing;

pub use listener::Listener;
pub use logs::init;
pub use traces::Traces;
pub use wellbeing::{Part, Wellbeing};

use troupe_core::metrics::MetricSet;

/// The metrics of this crate.
pub fn metric_sets() -> Vec<&'static dyn MetricSet> {
    vec![&*lateness::METRICS, &*traces::METRICS]
}
