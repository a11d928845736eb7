//! Metrics of the connections to Redis, and of the event logs.

use fred::{
    clients::Pool,
    interfaces::{ClientLike, EventInterface, MetricsInterface},
};
use parking_lot::Mutex;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
    registry::Registry,
};

use tokio::time::Instant;

use crate::metrics::{
    Counter, EncodeLabelSet, Family, Histogram, Histograms, MetricSet, ObserveTime, OutcomeLabel, milliseconds,
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OperationLabels {
    operation: &'static str,
    outcome: &'static str,
}

crate::metrics! {
    pub static METRICS: RedisMetrics {
        /// Appends to event logs, by outcome: refused are those of attempts that were overtaken.
        appends: Family<OutcomeLabel, Counter> = "troupe_event_appends";
        /// How long an append took.
        append_duration: Histogram = "troupe_event_append_seconds", milliseconds();
        /// How long other operations took, by outcome.
        operations: Histograms<OperationLabels> = "troupe_redis_operation_seconds", Histograms::new_with_constructor(milliseconds);
        /// Connections that were lost and came back.
        reconnects: Counter = "troupe_redis_reconnects";
    }
}

/// Measures an operation.
pub(super) async fn measured<T, E>(operation: &'static str, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let began = Instant::now();
    let done = work.await;
    let labels = OperationLabels { operation, outcome: if done.is_ok() { "ok" } else { "failed" } };
    METRICS.operations.get_or_create(&labels).observe_time(began.elapsed());
    done
}

static POOLS: Mutex<Vec<Pool>> = Mutex::new(Vec::new());

/// Counts its reconnects, and shows its state.
pub(super) fn watch(pool: &Pool) {
    // Shown from the start, so that the first of them is an increase.
    for outcome in ["appended", "forgotten", "refused", "failed"] {
        drop(METRICS.appends.get_or_create(&OutcomeLabel { outcome }));
    }
    for client in pool.clients() {
        client.on_reconnect(|_| async {
            METRICS.reconnects.inc();
            Ok(())
        });
    }
    POOLS.lock().push(pool.clone());
}

/// Of a pool that is closed: `doctor` makes one for each look.
pub(super) fn forget(pool: &Pool) {
    let is_of = |known: &Pool| {
        let ids = |pool: &Pool| pool.clients().first().map(|client| client.id().to_owned());
        ids(known) == ids(pool)
    };
    POOLS.lock().retain(|known| !is_of(known));
}

/// The state of all pools of the process, when it is scraped.
pub struct RedisConnections;

impl MetricSet for RedisConnections {
    fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(ConnectionCollector));
    }
}

#[derive(Debug)]
struct ConnectionCollector;

impl Collector for ConnectionCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let pools = POOLS.lock();
        let clients = || pools.iter().flat_map(Pool::clients);
        let connected = clients().filter(|client| client.is_connected()).count();
        let queued: usize = clients().map(MetricsInterface::command_queue_len).sum();
        let help = "Connections to Redis that are up";
        let gauge = encoder.encode_descriptor("troupe_redis_connections", help, None, MetricType::Gauge)?;
        ConstGauge::new(connected as i64).encode(gauge)?;
        let help = "Commands that wait for a connection to Redis";
        let gauge = encoder.encode_descriptor("troupe_redis_queued_commands", help, None, MetricType::Gauge)?;
        ConstGauge::new(queued as i64).encode(gauge)
    }
}
