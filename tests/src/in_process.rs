//! A server or a worker as tasks of the test's own process: ready within milliseconds, and nothing to build but the
//! test.
//!
//! Each has a runtime of its own, whose threads log into its [`Log`] and nowhere else. So what one logs is known from
//! what another does, as with real processes, and all of it ends with the runtime, whatever the test has come to.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    panic,
    sync::{Arc, LazyLock, Once},
};

use tokio::{runtime::Runtime, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::util::SubscriberInitExt;
use troupe_core::config::{Config, Live, LogFormat, Telemetry};
use troupe_server::Server;
use troupe_telemetry::{Wellbeing, logs};

use crate::log::Log;

/// Which of the two binaries it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tier {
    Server,
    Worker,
}

impl Tier {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Worker => "worker",
        }
    }

    pub(crate) const fn binary(self) -> &'static str {
        match self {
            Self::Server => "troupe-server",
            Self::Worker => "troupe-worker",
        }
    }
}

const THREADS: usize = 2;

thread_local! {
    /// Of the tier that this thread works for.
    static LOG: RefCell<Option<Arc<Log>>> = const { RefCell::new(None) };
}

/// Dropping it ends it at once, as a kill does.
#[derive(Debug)]
pub(crate) struct InProcess {
    runtime: Option<Runtime>,
    shutdown: CancellationToken,
    outcome: Option<JoinHandle<anyhow::Result<()>>>,
}

impl InProcess {
    pub(crate) fn start(tier: Tier, environment: &[(String, String)], log: Arc<Log>) -> Self {
        watch_all_threads();
        // As a process gets them: where two name the same setting, the later one counts.
        let environment: BTreeMap<_, _> = environment.iter().cloned().collect();
        let config = Config::from_sources(None, environment);
        let config = config.unwrap_or_else(|error| panic!("{}: {error}", tier.binary()));
        let dispatch = logs::dispatch(&config.telemetry, log.clone()).expect("a filter of logs");
        let own = log.clone();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .enable_all()
            .on_thread_start(move || {
                // For as long as the thread lives.
                std::mem::forget(dispatch.clone().set_default());
                LOG.set(Some(own.clone()));
            })
            .build()
            .expect("a runtime");
        let shutdown = CancellationToken::new();
        let stop = shutdown.clone();
        let outcome = runtime.spawn(async move {
            let live = Live::fixed(config);
            let outcome = match tier {
                Tier::Server => serve(live, stop).await,
                Tier::Worker => troupe_worker::run(live, &Wellbeing::default(), stop).await,
            };
            if let Err(error) = &outcome {
                log.push(format!("Error: {error:?}"));
            }
            log.end();
            outcome
        });
        Self { runtime: Some(runtime), shutdown, outcome: Some(outcome) }
    }

    pub(crate) fn lives(&self) -> bool {
        self.outcome.is_some()
    }

    /// Asks it to stop, as SIGTERM does, and waits for the end.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        self.shutdown.cancel();
        let outcome = self.outcome.take().expect("what has not been stopped yet");
        let outcome = outcome.await?;
        self.end();
        outcome
    }

    fn end(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        self.end();
    }
}

async fn serve(live: Live, shutdown: CancellationToken) -> anyhow::Result<()> {
    Server::start(live, &Wellbeing::default()).await?.run(shutdown).await
}

/// What threads have logged that are no runtime's, such as those that hash passwords.
static STRAYS: LazyLock<Arc<Log>> = LazyLock::new(|| Arc::new(Log::new("a thread of no runtime")));

/// The errors among it: of which server is not known.
pub(crate) fn stray_alarms() -> Vec<String> {
    STRAYS.alarms()
}

/// The panic of a task belongs to the log of its tier, as it would be on standard error; and no error goes unseen.
fn watch_all_threads() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| match LOG.with_borrow(Clone::clone) {
            Some(log) => log.push(panic.to_string()),
            None => before(panic),
        }));
        let errors =
            Telemetry { filter: "off,troupe=error".to_owned(), format: LogFormat::Json, access_log: 0.0, listen: None };
        let dispatch = logs::dispatch(&errors, STRAYS.clone()).expect("a filter of logs");
        tracing::dispatcher::set_global_default(dispatch).expect("the only one for all threads");
    });
}
