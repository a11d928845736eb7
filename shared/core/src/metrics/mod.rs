//! Metrics: typed handles in statics, kept where they are counted; nothing is looked up by name.
//!
//! [`metrics!`](crate::metrics!) declares a set of them with their names and help. A process registers the sets that it
//! uses in one place (`metrics.rs` of server and worker), and `/metrics` shows them. Labels are bounded: routes, tiers,
//! kinds, providers, outcomes; never an id.

pub(crate) mod batches;
pub mod process;

pub use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use std::{fmt, sync::atomic::AtomicU64, time::Duration};

use crate::{
    adapters::{limiters, redis::metrics as redis, service_breaker},
    circuit_breaker::metrics as circuit_breaker,
};

/// Metrics that are registered together.
pub trait MetricSet: Sync {
    fn register(&self, registry: &mut Registry);

    /// The names of those that are shown only once they have been counted.
    fn names(&self) -> &'static [&'static str] {
        &[]
    }
}

/// Counts seconds or money.
pub type FloatCounter = Counter<f64, AtomicU64>;
pub type FloatGauge = Gauge<f64, AtomicU64>;
/// Histograms by labels.
pub type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// Of what takes milliseconds, as statements and calls of Redis do.
pub fn milliseconds() -> Histogram {
    Histogram::new([0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0])
}

/// Of what takes seconds, as replies and their calls do.
pub fn seconds() -> Histogram {
    Histogram::new([0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0])
}

/// Of numbers of things.
pub fn amounts() -> Histogram {
    Histogram::new([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0])
}

/// Records a time in seconds.
pub trait ObserveTime {
    fn observe_time(&self, time: Duration);
}

impl ObserveTime for Histogram {
    fn observe_time(&self, time: Duration) {
        self.observe(time.as_secs_f64());
    }
}

/// Counts as one more in a gauge until it is dropped.
#[derive(Debug)]
pub struct Held(Gauge);

impl Held {
    pub fn of(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Declares a set of metrics in a static. The text above each is its help; counters are shown with `_total`.
///
/// ```ignore
/// metrics! {
///     pub(crate) static METRICS: QueueMetrics {
///         /// Jobs that no worker has taken yet.
///         waiting: Family<TierLabel, Gauge> = "troupe_queue_waiting_jobs";
///         /// From the message until its first attempt.
///         wait: Histogram = "troupe_queue_wait_seconds", seconds();
///     }
/// }
/// ```
#[macro_export]
macro_rules! metrics {
    ($(#[$attribute:meta])* $visible:vis static $STATIC:ident: $Set:ident {
        $($(#[doc = $help:literal])+ $field:ident: $Metric:ty = $name:literal $(, $value:expr)?;)+
    }) => {
        $(#[$attribute])*
        $visible static $STATIC: std::sync::LazyLock<$Set> = std::sync::LazyLock::new(|| $Set {
            $($field: $crate::metrics!(@value $($value)?),)+
        });

        $visible struct $Set {
            $($(#[doc = $help])+ $visible $field: $Metric,)+
        }

        impl $crate::metrics::MetricSet for $Set {
            fn register(&self, registry: &mut $crate::metrics::Registry) {
                // The registry ends a help text with a full stop of its own.
                $(registry.register($name, concat!($($help),+).trim().trim_end_matches('.'), self.$field.clone());)+
            }

            fn names(&self) -> &'static [&'static str] {
                &[$($name),+]
            }
        }
    };
    (@value) => { Default::default() };
    (@value $value:expr) => { $value };
}

/// The labels of what has only one: what it is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct TierLabel {
    pub tier: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct KindLabel {
    pub kind: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OutcomeLabel {
    pub outcome: &'static str,
}

/// The metrics of this crate: of the process, and of what both tiers stand on.
pub fn sets() -> Vec<&'static dyn MetricSet> {
    vec![
        &process::Process,
        &*batches::METRICS,
        &*circuit_breaker::METRICS,
        &circuit_breaker::OpenBreakers,
        &*limiters::METRICS,
        &*redis::METRICS,
        &redis::RedisConnections,
        &*service_breaker::METRICS,
    ]
}

/// All of these in one, from within the runtime that is shown.
pub fn registry(sets: &[&dyn MetricSet]) -> Registry {
    let mut registry = Registry::default();
    for set in sets {
        set.register(&mut registry);
    }
    registry
}

/// The text of all metrics, in the format of `OpenMetrics`.
pub fn encode(registry: &Registry) -> Result<String, fmt::Error> {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry)?;
    Ok(text)
}

/// The media type of [`encode`]'s text.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[cfg(test)]
mod tests {
    use super::*;

    metrics! {
        static SOME: Some {
            /// Things that were counted,
            /// by outcome.
            things: Family<OutcomeLabel, Counter> = "troupe_things";
            /// How long they took.
            took: Histogram = "troupe_thing_seconds", milliseconds();
            /// How long they took by outcome.
            took_by: Histograms<OutcomeLabel> = "troupe_thing_by_seconds", Histograms::new_with_constructor(seconds);
        }
    }

    #[test]
    fn a_set_is_shown_with_its_names_and_help() {
        SOME.things.get_or_create(&OutcomeLabel { outcome: "done" }).inc_by(2);
        SOME.took.observe_time(Duration::from_millis(3));
        SOME.took_by.get_or_create(&OutcomeLabel { outcome: "done" }).observe_time(Duration::from_millis(3));
        assert_eq!(SOME.names(), ["troupe_things", "troupe_thing_seconds", "troupe_thing_by_seconds"]);
        let text = encode(&registry(&[&*SOME])).unwrap();
        for line in [
            "# HELP troupe_things Things that were counted, by outcome.",
            "# TYPE troupe_things counter",
            "troupe_things_total{outcome=\"done\"} 2",
            "troupe_thing_seconds_bucket{le=\"0.005\"} 1",
            "troupe_thing_seconds_bucket{le=\"0.0025\"} 0",
            "troupe_thing_by_seconds_bucket{le=\"0.01\",outcome=\"done\"} 1",
            "# EOF",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} is not in\n{text}");
        }
    }
}
