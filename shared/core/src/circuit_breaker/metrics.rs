//! Which circuit breakers are open, computed when it is asked: one whose pause is over admits a call, whether or not
//! anybody makes one.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicI64, Ordering},
    },
};

use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};

use crate::{
    clock::{Clock, SystemClock},
    metrics::{Counter, Family, MetricSet, OutcomeLabel, Registry},
};

crate::metrics! {
    pub static METRICS: CircuitBreakerMetrics {
        /// Times that a circuit breaker was opened here, by the failure that did it.
        opened: Family<OutcomeLabel, Counter> = "troupe_circuit_breaker_openings";
    }
}

/// Until when a breaker is open, in milliseconds since 1970.
#[derive(Debug, Default)]
pub(super) struct OpenUntil(AtomicI64);

impl OpenUntil {
    pub(super) fn set(&self, until: Option<DateTime<Utc>>) {
        self.0.store(until.map_or(0, |until| until.timestamp_millis()), Ordering::Relaxed);
    }
}

/// Those that are there, by name. A provider's key that is no longer used is not shown.
static BREAKERS: Mutex<Vec<(String, Weak<OpenUntil>)>> = Mutex::new(Vec::new());

pub(super) fn watch(name: &str) -> Arc<OpenUntil> {
    let open_until = Arc::new(OpenUntil::default());
    let mut breakers = BREAKERS.lock();
    breakers.retain(|(_, breaker)| breaker.strong_count() > 0);
    breakers.push((name.to_owned(), Arc::downgrade(&open_until)));
    open_until
}

/// Whether each of them is open, when it is scraped.
pub struct OpenBreakers;

impl MetricSet for OpenBreakers {
    fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(OpenCollector));
    }

    fn names(&self) -> &'static [&'static str] {
        &["troupe_circuit_breaker_open"]
    }
}

#[derive(Debug)]
struct OpenCollector;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NameLabel {
    name: String,
}

impl Collector for OpenCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let now = SystemClock.now().timestamp_millis();
        let mut open: BTreeMap<String, bool> = BTreeMap::new();
        for (name, breaker) in BREAKERS.lock().iter() {
            if let Some(breaker) = breaker.upgrade() {
                *open.entry(name.clone()).or_default() |= breaker.0.load(Ordering::Relaxed) > now;
            }
        }
        if open.is_empty() {
            return Ok(());
        }
        let help = "Whether the circuit breaker of a service or key is open";
        let mut family = encoder.encode_descriptor("troupe_circuit_breaker_open", help, None, MetricType::Gauge)?;
        for (name, open) in open {
            ConstGauge::new(i64::from(open)).encode(family.encode_family(&NameLabel { name })?)?;
        }
        Ok(())
    }
}
