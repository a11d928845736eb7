//! Metrics of PostgreSQL's connections and of retrieval.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};
use sqlx::{PgPool, Postgres, pool::PoolConnection};
use tokio::time::Instant;
use troupe_core::metrics::{
    Counter, EncodeLabelSet, Family, FloatGauge, Histogram, Histograms, MetricSet, ObserveTime, Registry, milliseconds,
};

pub fn sets() -> Vec<&'static dyn MetricSet> {
    vec![&*POSTGRES, &*RETRIEVAL, &Pools]
}

troupe_core::metrics! {
    pub(crate) static POSTGRES: PostgresMetrics {
        /// How long the statements that accept, claim and finish waited for a connection.
        acquire: Histogram = "troupe_postgres_acquire_seconds", milliseconds();
        /// Reads that may lag, by where they were made; none where there is no replica.
        reads: Family<ReadLabel, Counter> = "troupe_postgres_reads";
        /// How far the replica that is read is behind; infinite where it is not there.
        replica_lag: FloatGauge = "troupe_postgres_replica_lag_seconds";
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ReadLabel {
    /// `replica` or `primary`.
    pub(crate) from: &'static str,
}

/// A connection for a statement of the hot path: how long they wait tells whether the pool is too small.
pub async fn acquire(pool: &PgPool) -> sqlx::Result<PoolConnection<Postgres>> {
    let began = Instant::now();
    let connection = pool.acquire().await;
    POSTGRES.acquire.observe_time(began.elapsed());
    connection
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ModeLabel {
    /// What the passages were found by.
    pub mode: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SearchLabels {
    /// `words` or `meaning`.
    pub by: &'static str,
    pub outcome: &'static str,
}

troupe_core::metrics! {
    pub(crate) static RETRIEVAL: RetrievalMetrics {
        /// Searches in the knowledge of personas, by what found the passages.
        retrievals: Family<ModeLabel, Counter> = "troupe_retrievals";
        /// How long the search by words or by meaning took.
        duration: Histograms<SearchLabels> = "troupe_retrieval_search_seconds", Histograms::new_with_constructor(milliseconds);
    }
}

/// The pools of this process, by the application's name.
static POOLS: Mutex<Vec<(String, u32, PgPool)>> = Mutex::new(Vec::new());

pub(crate) fn watch(application: &str, max_connections: u32, pool: &PgPool) {
    POOLS.lock().push((application.to_owned(), max_connections, pool.clone()));
}

/// The state of the pools, when it is scraped.
#[derive(Debug)]
struct Pools;

impl MetricSet for Pools {
    fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(Self));
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PoolLabels {
    pool: String,
    state: &'static str,
}

impl Collector for Pools {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let help = "Connections to PostgreSQL, by state; of `max` no more are opened";
        let mut family = encoder.encode_descriptor("troupe_postgres_connections", help, None, MetricType::Gauge)?;
        let mut connections: BTreeMap<(String, &str), i64> = BTreeMap::new();
        for (application, max, pool) in POOLS.lock().iter().filter(|(.., pool)| !pool.is_closed()) {
            let (open, idle) = (i64::from(pool.size()), pool.num_idle() as i64);
            for (state, number) in [("idle", idle), ("used", (open - idle).max(0)), ("max", i64::from(*max))] {
                *connections.entry((application.clone(), state)).or_default() += number;
            }
        }
        for ((pool, state), number) in connections {
            ConstGauge::new(number).encode(family.encode_family(&PoolLabels { pool, state })?)?;
        }
        Ok(())
    }
}
