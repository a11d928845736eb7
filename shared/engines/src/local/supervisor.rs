//! One engine: started, watched, and started again with a growing pause.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{LocalKind, LocalSettings, Packages, write_programs};
use crate::{
    DataDir, EngineError,
    directories::Log,
    process::{self, Description, Process, Signal, StopSequence},
};

/// How the chat model chooses words where a call does not say it: llama.cpp's names. docs/LOCAL.md has what was tried.
const SAMPLING: [(&str, f64); 2] = [("temp", 0.2), ("top_p", 0.9)];
const CHECK_INTERVAL: Duration = Duration::from_secs(5);
const CHECK_TIMEOUT: Duration = Duration::from_secs(10);
/// A busy engine may miss some.
const MAX_MISSED_CHECKS: u32 = 6;
const EXIT_POLL: Duration = Duration::from_millis(200);
const MIN_BACKOFF: Duration = Duration::from_millis(500);
const MAX_BACKOFF: Duration = Duration::from_mins(1);
/// After so long a life a failure counts as the first.
const STABLE_AFTER: Duration = Duration::from_mins(2);
const STOP_SIGNALS: &StopSequence =
    &[(Signal::Terminate, Duration::from_secs(2)), (Signal::Kill, Duration::from_secs(5))];

/// A running engine, at an address that stays the same when it is started again. Dropping it ends it.
#[derive(Debug)]
pub struct LocalEngine {
    launch: Launch,
    process: Process,
    port: u16,
    _dir: DataDir,
}

/// All that is needed to start it.
#[derive(Debug)]
struct Launch {
    kind: LocalKind,
    packages: Packages,
    settings: LocalSettings,
    key: String,
    directory: PathBuf,
    port_file: PathBuf,
    pid_file: PathBuf,
    log: Log,
}

impl LocalEngine {
    /// Starts it with its files below `dir`, and waits until it answers.
    pub async fn start(
        kind: LocalKind,
        packages: Packages,
        settings: LocalSettings,
        dir: &Path,
    ) -> Result<Self, EngineError> {
        let own = DataDir::lock(&dir.join(kind.file_name()))?;
        write_programs(&own.path().join("programs"))?;
        let log = Log::begin(own.path().with_extension("log"))?;
        let pid_file = own.path().join("pid");
        if let Some(pid) = process::read_pid(&pid_file) {
            // It ends with its parent, unless it was frozen.
            let description = Description { programs: &["python"], paths: &[own.path().to_owned()] };
            process::stop_leftover(kind.title(), pid, &description, STOP_SIGNALS).await?;
        }
        let key = random_key()?;
        let (directory, port_file) = (own.path().to_owned(), own.path().join("port"));
        let launch = Launch { kind, packages, settings, key, directory, port_file, pid_file, log };
        let (process, port) = launch.start(0).await?;
        Ok(Self { launch, process, port, _dir: own })
    }

    /// For the provider's configuration.
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    pub fn key(&self) -> &str {
        &self.launch.key
    }

    pub fn model(&self) -> &str {
        self.launch.packages.name()
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Starts it again whenever it ends or falls silent, until the shutdown; then stops it.
    pub async fn supervise(mut self, shutdown: CancellationToken) {
        let engine = self.launch.kind.title();
        let mut backoff = MIN_BACKOFF;
        loop {
            let started = Instant::now();
            let cause = tokio::select! {
                cause = self.failure() => cause,
                () = shutdown.cancelled() => break,
            };
            if started.elapsed() > STABLE_AFTER {
                backoff = MIN_BACKOFF;
            }
            tracing::warn!(engine, cause, ?backoff, "a local engine failed, and is started again");
            loop {
                tokio::select! {
                    () = tokio::time::sleep(backoff) => {}
                    () = shutdown.cancelled() => return,
                }
                backoff = (backoff * 2).min(MAX_BACKOFF);
                match self.restart().await {
                    Ok(()) => break,
                    Err(error) => tracing::warn!(engine, %error, ?backoff, "a local engine does not start"),
                }
            }
            tracing::info!(engine, pid = self.pid(), "a local engine is back");
        }
        if let Err(error) = self.process.stop(STOP_SIGNALS).await {
            tracing::warn!(engine, %error, "a local engine does not stop");
        }
    }

    /// Why it has to be started again, when it has to.
    async fn failure(&mut self) -> String {
        let mut missed = 0;
        let mut next_check = Instant::now() + CHECK_INTERVAL;
        loop {
            tokio::time::sleep(EXIT_POLL).await;
            if let Some(status) = self.process.exited() {
                return format!("it ended ({status})");
            }
            if Instant::now() < next_check {
                continue;
            }
            match tokio::time::timeout(CHECK_TIMEOUT, check(self.port)).await {
                Ok(Ok(())) => missed = 0,
                Ok(Err(_)) | Err(_) => missed += 1,
            }
            if missed == MAX_MISSED_CHECKS {
                return "it does not answer".to_owned();
            }
            next_check = Instant::now() + CHECK_INTERVAL;
        }
    }

    async fn restart(&mut self) -> Result<(), EngineError> {
        self.process.stop(STOP_SIGNALS).await?;
        (self.process, self.port) = self.launch.start(self.port).await?;
        Ok(())
    }
}

impl Launch {
    /// Starts it on this port, or on one that is free.
    async fn start(&self, port: u16) -> Result<(Process, u16), EngineError> {
        _ = fs::remove_file(&self.port_file);
        let mut process = Process::spawn_on_leash(self.kind.title(), self.command(port), &self.log, Signal::Kill)?;
        fs::write(&self.pid_file, process.pid().to_string()).map_err(EngineError::io("write", &self.pid_file))?;
        process
            .until_ready(&self.log, || async {
                let port = read_port(&self.port_file).ok_or_else(|| io::Error::other("it does not listen yet"))?;
                check(port).await
            })
            .await?;
        let port = read_port(&self.port_file).unwrap_or(port);
        Ok((process, port))
    }

    fn command(&self, port: u16) -> Command {
        let Packages { python, library, model, name } = &self.packages;
        let LocalSettings { threads, memory_bytes, context_tokens, parallel } = self.settings;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let settings = json!({
            "packages": [library],
            "model": model,
            "name": name,
            "port": port,
            "port_file": self.port_file,
            "threads": if threads == 0 { cores } else { threads },
            "memory_bytes": memory_bytes,
            "context": context_tokens,
            "parallel": parallel,
            "sampling": SAMPLING.iter().copied().collect::<BTreeMap<_, _>>(),
        });
        let mut command = Command::new(python);
        // Without the user's settings for Python, and without writing compiled files.
        command
            .args(["-E", "-s", "-B"])
            .arg(self.directory.join("programs").join(self.kind.file_name()).with_extension("py"));
        command.arg(settings.to_string()).env("TROUPE_ENGINE_KEY", &self.key).current_dir(&self.directory);
        command
    }
}

/// 128 bits, for this run alone.
fn random_key() -> Result<String, EngineError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| EngineError::Unusable(format!("there is no randomness: {error}")))?;
    Ok(random.map(|byte| format!("{byte:02x}")).concat())
}

fn read_port(file: &Path) -> Option<u16> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// Asks for its health, which takes no key.
async fn check(port: u16) -> io::Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(b"GET /health HTTP/1.0\r\nhost: localhost\r\n\r\n").await?;
    let mut answer = [0; 64];
    let length = stream.read(&mut answer).await?;
    let status = answer[..length].split(|byte| *byte == b' ').nth(1);
    if status == Some(b"200") { Ok(()) } else { Err(io::Error::other("it is not well")) }
}
