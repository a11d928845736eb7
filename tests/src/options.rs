//! What a test's cluster is made of.

use crate::{Cluster, leaks, replication::Replication};

/// How many of each, their settings, and how much of it is the test's own.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    pub(crate) servers: usize,
    pub(crate) workers: usize,
    pub(crate) processes: bool,
    pub(crate) own_engines: bool,
    pub(crate) relay: bool,
    pub(crate) replication: Option<Replication>,
    pub(crate) redis: Option<String>,
    pub(crate) environment: Vec<(String, String)>,
}

impl Default for ClusterOptions {
    /// Two of each within the test's process, on the engines of the whole run, and pauses of production shortened to
    /// what a test has time for.
    fn default() -> Self {
        let environment = Vec::new();
        Self {
            servers: 2,
            workers: 2,
            processes: false,
            own_engines: false,
            relay: false,
            replication: None,
            redis: None,
            environment,
        }
        .set("TROUPE_TELEMETRY__FORMAT", "json")
        .set("TROUPE_SERVER__LISTEN", "127.0.0.1:0")
        .set("TROUPE_RATE_LIMITS__ENABLED", "false")
        // A machine with much to do is no Redis that is away.
        .set("TROUPE_RATE_LIMITS__TIMEOUT", "5s")
        .set("TROUPE_WORKER__RETRY_BASE", "50ms")
        .set("TROUPE_WORKER__SWEEP_INTERVAL", "200ms")
        // Tests of one cluster must not hold each other up; those of the breaker set their own.
        .set("TROUPE_MODELS__BREAKER_FAILURES", "20")
        .set("TROUPE_EMBEDDINGS__BREAKER_FAILURES", "20")
        .set("TROUPE_QDRANT__BREAKER_FAILURES", "20")
        .set("TROUPE_MAIL__BREAKER_FAILURES", "20")
        .set("OPENAI_API_KEY", leaks::PROVIDER_KEY)
    }
}

impl ClusterOptions {
    #[must_use]
    pub fn servers(self, servers: usize) -> Self {
        Self { servers, ..self }
    }

    #[must_use]
    pub fn workers(self, workers: usize) -> Self {
        Self { workers, ..self }
    }

    /// Servers and workers are real processes: for tests of signals, of sudden death, and of documents, which workers
    /// read in a child process of their own program.
    #[must_use]
    pub fn processes(self) -> Self {
        Self { processes: true, ..self }
    }

    /// PostgreSQL and Redis are the test's own: for tests that stop, freeze, empty or configure them, or look at what
    /// belongs to the whole of one.
    #[must_use]
    pub fn own_engines(self) -> Self {
        Self { own_engines: true, ..self }
    }

    /// Servers and workers reach PostgreSQL over TCP, by a relay that can cut them off ([`Cluster::relay`]).
    #[must_use]
    pub fn postgres_behind_relay(self) -> Self {
        Self { relay: true, ..self }
    }

    /// PostgreSQL is a primary with a standby of the test's own, which [`Cluster::fail_over`] promotes.
    #[must_use]
    pub fn replicated(self, replication: Replication) -> Self {
        Self { replication: Some(replication), ..self }
    }

    /// Every process has the Redis at this address; [`Cluster::redis`] still speaks to that of the run.
    #[must_use]
    pub fn redis(self, url: &str) -> Self {
        Self { redis: Some(url.to_owned()), ..self }
    }

    /// A setting of every process, such as `TROUPE_WORKER__LEASE`; an earlier one of the same name is replaced.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Without a setting that every process has otherwise.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self
    }

    pub async fn start(self) -> Cluster {
        Cluster::start(self).await
    }
}
