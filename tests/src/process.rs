//! A real process of the system, and everything it logs.

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
    sync::watch,
    task::JoinSet,
};

use crate::{DEADLINE, leaks, within};

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

/// Killed when it is dropped.
pub struct Process {
    pub name: String,
    child: Child,
    log: Arc<Log>,
    readers: JoinSet<()>,
}

#[derive(Default)]
struct Log {
    lines: watch::Sender<Vec<String>>,
    /// Whether standard error has ended: no line will come any more.
    ended: watch::Sender<bool>,
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
        let log = Arc::new(Log::default());
        let mut readers = JoinSet::new();
        let (stdout, stderr) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        readers.spawn(collect(stdout, log.clone()));
        let errors = log.clone();
        readers.spawn(async move {
            collect(stderr, errors.clone()).await;
            errors.ended.send_replace(true);
        });
        Self { name, child, log, readers }
    }

    /// Every line so far.
    pub fn lines(&self) -> Vec<String> {
        self.log.lines.borrow().clone()
    }

    /// Waits for a log entry with this message, and returns it.
    pub async fn logged(&self, message: &str) -> Value {
        self.logged_where(&format!("“{message}”"), |entry| entry["fields"]["message"] == message).await
    }

    /// Waits for a log entry for which this holds.
    pub async fn logged_where(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let (mut lines, mut ended) = (self.log.lines.subscribe(), self.log.ended.subscribe());
        let found = |lines: &[String]| {
            lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find(|entry| holds(entry))
        };
        let search = async {
            tokio::select! {
                Ok(lines) = lines.wait_for(|lines| found(lines).is_some()) => found(&lines),
                _ = ended.wait_for(|ended| *ended) => None,
                else => None,
            }
        };
        // What was written just before the end is read by the time the end is known.
        let entry = tokio::time::timeout(DEADLINE, search).await.ok().flatten().or_else(|| found(&self.lines()));
        entry.unwrap_or_else(|| panic!("{} did not log {what}; it logged:\n{}", self.name, self.lines().join("\n")))
    }

    /// Waits for a line with these words that is no log entry, and returns it.
    pub async fn printed(&self, words: &str) -> String {
        let mut lines = self.log.lines.subscribe();
        let found = |lines: &Vec<String>| lines.iter().find(|line| line.contains(words)).cloned();
        let printed =
            within(&format!("“{words}” from {}", self.name), lines.wait_for(|lines| found(lines).is_some())).await;
        printed.ok().and_then(|lines| found(&lines)).expect("the line that was waited for")
    }

    pub fn signal(&self, signal: Signal) {
        let Some(id) = self.child.id() else { panic!("{} has ended already", self.name) };
        signal.send(id).unwrap_or_else(|error| panic!("{}: {error}", self.name));
    }

    /// Whether its end was not waited for yet.
    pub fn lives(&self) -> bool {
        self.child.id().is_some()
    }

    /// Waits until it has ended by itself or by a signal.
    pub async fn ended(&mut self) -> ExitStatus {
        let status = within(&format!("the end of {}", self.name), self.child.wait()).await;
        while self.readers.join_next().await.is_some() {}
        self.assert_no_leaks();
        status.unwrap_or_else(|error| panic!("wait for {}: {error}", self.name))
    }

    /// SIGTERM, and the good end that must follow.
    pub async fn stop(&mut self) {
        self.signal(Signal::Terminate);
        let status = self.ended().await;
        assert!(status.success(), "{} stopped with {status}; it logged:\n{}", self.name, self.lines().join("\n"));
    }

    /// kill -9.
    pub async fn kill(&mut self) {
        self.signal(Signal::Kill);
        self.ended().await;
    }

    /// See [`leaks`].
    fn assert_no_leaks(&self) {
        let lines = self.lines();
        let leaks = leaks::leaks(&lines);
        assert!(leaks.is_empty(), "{} has written a secret:\n{leaks:#?}", self.name);
    }

    /// The lines that no healthy run has.
    pub fn alarms(&self) -> Vec<String> {
        let alarming = |line: &String| line.contains("panicked") || line.contains(r#""level":"ERROR""#);
        self.lines().into_iter().filter(alarming).map(|line| format!("{}: {line}", self.name)).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.assert_no_leaks();
        }
    }
}

async fn collect(pipe: impl AsyncRead + Unpin, log: Arc<Log>) {
    let mut lines = BufReader::new(pipe).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        log.lines.send_modify(|lines| lines.push(line));
    }
}

/// The test runs from target/<profile>/deps; the binaries lie above it.
fn path_of(binary: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of the test");
    let path = test.parent().and_then(|deps| deps.parent()).expect("target/<profile>/deps").join(binary);
    assert!(path.exists(), "{} is missing: run cargo build --workspace", path.display());
    path
}
