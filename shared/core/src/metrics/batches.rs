//! Of statements and calls that are made for many at once ([`crate::batch`]).

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
};

use super::{Histograms, amounts, milliseconds};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct BatchLabel {
    pub(crate) batch: &'static str,
}

crate::metrics! {
    pub(crate) static METRICS: BatchMetrics {
        /// Calls that went as one batch.
        items: Histograms<BatchLabel> = "troupe_batch_items", Histograms::new_with_constructor(amounts);
        /// How long a batch took.
        duration: Histograms<BatchLabel> = "troupe_batch_duration_seconds", Histograms::new_with_constructor(milliseconds);
        /// Batches that failed as a whole.
        failures: Family<BatchLabel, Counter> = "troupe_batch_failures";
    }
}

/// The metrics of one kind of batch.
#[derive(Debug, Clone)]
pub(crate) struct OfBatch {
    pub(crate) items: Histogram,
    pub(crate) duration: Histogram,
    pub(crate) failures: Counter,
}

impl OfBatch {
    pub(crate) fn named(batch: &'static str) -> Self {
        let label = BatchLabel { batch };
        Self {
            items: METRICS.items.get_or_create_owned(&label),
            duration: METRICS.duration.get_or_create_owned(&label),
            failures: METRICS.failures.get_or_create_owned(&label),
        }
    }
}
