//! A server, a worker or another program under test, and everything it logs.

use std::{
    ffi::OsStr,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::Arc,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    task::JoinSet,
};

use crate::{
    in_process::{InProcess, Tier},
    log::Log,
    within,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// As Ctrl-C sends.
    Interrupt,
    Hangup,
    Terminate,
    Kill,
    /// Frozen: alive for everybody who only looks at its connections.
    Stop,
    Continue,
}

impl Signal {
    const fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "-INT",
            Self::Hangup => "-HUP",
            Self::Terminate => "-TERM",
            Self::Kill => "-KILL",
            Self::Stop => "-STOP",
            Self::Continue => "-CONT",
        }
    }

    pub fn send(self, process: u32) -> std::io::Result<()> {
        let sent = std::process::Command::new("kill").args([self.name(), &process.to_string()]).status()?;
        if sent.success() { Ok(()) } else { Err(std::io::Error::other(format!("{self:?} to {process}: {sent}"))) }
    }
}

/// A real process; or, where a test does not need one, the same code in the test's own. Ended at once when it is
/// dropped.
pub struct Process {
    pub name: String,
    log: Arc<Log>,
    running: Running,
}

enum Running {
    Child { child: Box<Child>, readers: JoinSet<()> },
    InProcess(InProcess),
}

impl Process {
    /// Starts one of the workspace's binaries with this environment and nothing else of the test's own.
    pub fn start(binary: &str, name: String, arguments: &[&OsStr], environment: &[(String, String)]) -> Self {
        Self::start_reading(Stdio::null(), binary, name, arguments, environment)
    }

    /// The same, with something to read.
    pub fn start_reading(
        input: Stdio,
        binary: &str,
        name: String,
        arguments: &[&OsStr],
        environment: &[(String, String)],
    ) -> Self {
        let mut command = Command::new(path_of(binary));
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(environment.iter().map(|(key, value)| (key, value)))
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("start {binary}: {error}"));
        let log = Arc::new(Log::new(&name));
        let mut readers = JoinSet::new();
        let (stdout, stderr) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        readers.spawn(collect(stdout, log.clone()));
        let errors = log.clone();
        readers.spawn(async move {
            collect(stderr, errors.clone()).await;
            errors.end();
        });
        Self { name, log, running: Running::Child { child: Box::new(child), readers } }
    }

    /// Starts a server or a worker within this process.
    pub(crate) fn start_within(tier: Tier, name: String, environment: &[(String, String)]) -> Self {
        let log = Arc::new(Log::new(&name));
        let running = Running::InProcess(InProcess::start(tier, environment, log.clone()));
        Self { name, log, running }
    }

    /// Every line so far.
    pub fn lines(&self) -> Vec<String> {
        self.log.lines()
    }

    /// Waits for a log entry with this message, and returns it.
    pub async fn logged(&self, message: &str) -> Value {
        self.logged_where(&format!("“{message}”"), |entry| entry["fields"]["message"] == message).await
    }

    /// Waits for a log entry for which this holds.
    pub async fn logged_where(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        self.log.logged_where(what, holds).await
    }

    /// Waits for a line with these words that is no log entry, and returns it.
    pub async fn printed(&self, words: &str) -> String {
        self.log.printed(words).await
    }

    pub fn signal(&self, signal: Signal) {
        let Running::Child { child, .. } = &self.running else {
            panic!("{} is no process, and gets no signals: ask for ClusterOptions::processes()", self.name)
        };
        let Some(id) = child.id() else { panic!("{} has ended already", self.name) };
        signal.send(id).unwrap_or_else(|error| panic!("{}: {error}", self.name));
    }

    /// Whether its end was not waited for yet.
    pub fn lives(&self) -> bool {
        match &self.running {
            Running::Child { child, .. } => child.id().is_some(),
            Running::InProcess(tasks) => tasks.lives(),
        }
    }

    /// Waits until it has ended by itself or by a signal.
    pub async fn ended(&mut self) -> ExitStatus {
        let Running::Child { child, readers } = &mut self.running else {
            panic!("{} is no process, and has no status: ask for ClusterOptions::processes()", self.name)
        };
        let status = within(&format!("the end of {}", self.name), child.wait()).await;
        while readers.join_next().await.is_some() {}
        self.log.assert_no_leaks();
        status.unwrap_or_else(|error| panic!("wait for {}: {error}", self.name))
    }

    /// SIGTERM, and the good end that must follow.
    pub async fn stop(&mut self) {
        if let Running::InProcess(tasks) = &mut self.running {
            let outcome = within(&format!("the end of {}", self.name), tasks.stop()).await;
            return outcome.unwrap_or_else(|error| panic!("{} stopped with {error:?}", self.name));
        }
        self.signal(Signal::Terminate);
        let status = self.ended().await;
        assert!(status.success(), "{} stopped with {status}; it logged:\n{}", self.name, self.lines().join("\n"));
    }

    /// kill -9.
    pub async fn kill(&mut self) {
        self.signal(Signal::Kill);
        self.ended().await;
    }

    /// The lines that no healthy run has.
    pub fn alarms(&self) -> Vec<String> {
        self.log.alarms()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.log.assert_no_leaks();
        }
    }
}

async fn collect(pipe: impl AsyncRead + Unpin, log: Arc<Log>) {
    let mut lines = BufReader::new(pipe).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        log.push(line);
    }
}

/// The test runs from target/<profile>/deps; the binaries lie above it.
fn path_of(binary: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of the test");
    let path = test.parent().and_then(|deps| deps.parent()).expect("target/<profile>/deps").join(binary);
    assert!(path.exists(), "{} is missing: run cargo build --workspace", path.display());
    path
}
