//! An engine's child process: detached from the terminal, awaited, signalled, and found again after a crash.

use std::{
    fmt, fs, io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use crate::{EngineError, directories::Log};

const POLL_INTERVAL: Duration = Duration::from_millis(10);
const START_TIMEOUT: Duration = Duration::from_mins(2);
const PING_TIMEOUT: Duration = Duration::from_secs(5);
const DROP_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy)]
pub(super) enum Signal {
    Interrupt,
    Quit,
    Terminate,
    Kill,
}

/// Signals to send one after the other, each with its timeout.
pub(super) type StopSequence = [(Signal, Duration)];

/// A running engine. Dropping it sends `drop_signal` and waits for the end.
#[derive(Debug)]
pub(super) struct Process {
    engine: &'static str,
    child: Child,
    drop_signal: Signal,
}

impl Process {
    pub(super) fn spawn(
        engine: &'static str,
        command: Command,
        log: &Log,
        drop_signal: Signal,
    ) -> Result<Self, EngineError> {
        Self::spawn_reading(Stdio::null(), engine, command, log, drop_signal)
    }

    /// Its standard input is a pipe that closes when this process ends, however it ends.
    pub(super) fn spawn_on_leash(
        engine: &'static str,
        command: Command,
        log: &Log,
        drop_signal: Signal,
    ) -> Result<Self, EngineError> {
        Self::spawn_reading(Stdio::piped(), engine, command, log, drop_signal)
    }

    fn spawn_reading(
        input: Stdio,
        engine: &'static str,
        mut command: Command,
        log: &Log,
        drop_signal: Signal,
    ) -> Result<Self, EngineError> {
        detach(&mut command, log)?;
        command.stdin(input);
        let child = command.spawn().map_err(|cause| EngineError::Io {
            what: format!("start {engine} ({})", command.get_program().display()),
            cause,
        })?;
        Ok(Self { engine, child, drop_signal })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its exit status, if it has ended.
    pub(super) fn exited(&mut self) -> Option<String> {
        match self.child.try_wait() {
            Ok(status) => status.map(|status| status.to_string()),
            // SIGCHLD was ignored when we were started: the status of children is not available.
            Err(error) => Some(error.to_string()),
        }
    }

    /// Pings until it succeeds; an engine that ends meanwhile has failed.
    pub(super) async fn until_ready<E: fmt::Display, A: Future<Output = Result<(), E>>>(
        &mut self,
        log: &Log,
        mut ping: impl FnMut() -> A,
    ) -> Result<(), EngineError> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            if let Some(status) = self.exited() {
                return Err(log.failure(self.engine, format!("did not start ({status})")));
            }
            let answer = match tokio::time::timeout(PING_TIMEOUT, ping()).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => error.to_string(),
                Err(silence) => silence.to_string(),
            };
            if Instant::now() > deadline {
                return Err(log.failure(self.engine, format!("does not answer ({answer})")));
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    pub(super) async fn stop(&mut self, stop_signals: &StopSequence) -> Result<(), EngineError> {
        let (engine, pid) = (self.engine, self.pid());
        end(engine, pid, stop_signals, || self.exited().is_some()).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.exited().is_some() {
            return;
        }
        send(self.drop_signal, self.pid());
        let deadline = Instant::now() + DROP_TIMEOUT;
        while Instant::now() < deadline {
            if self.exited().is_some() {
                return;
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Runs a program to its end; its output goes to the log. Dropping the future kills it.
pub(super) async fn run(engine: &'static str, mut command: Command, log: &Log) -> Result<(), EngineError> {
    detach(&mut command, log)?;
    let program = command.get_program().to_owned();
    let status = tokio::process::Command::from(command)
        .kill_on_drop(true)
        .status()
        .await
        .map_err(EngineError::io("run", Path::new(&program)))?;
    if status.success() {
        return Ok(());
    }
    Err(log.failure(engine, format!("cannot be set up ({} ended with {status})", program.display())))
}

fn detach(command: &mut Command, log: &Log) -> Result<(), EngineError> {
    let output = log.append()?;
    let errors = output.try_clone().map_err(EngineError::io("open", log.path()))?;
    command.stdin(Stdio::null()).stdout(output).stderr(errors);
    // Its own process group: a terminal's Ctrl-C reaches us only, and we stop the engine last.
    command.process_group(0);
    Ok(())
}

/// Identifies an engine's process from outside: process ids alone are reused, above all in containers.
pub(super) struct Description<'a> {
    pub(super) programs: &'a [&'a str],
    /// Its working directory, or a path among its arguments.
    pub(super) paths: &'a [PathBuf],
}

impl Description<'_> {
    pub(super) fn matches(&self, pid: u32) -> bool {
        let process = PathBuf::from(format!("/proc/{pid}"));
        // Empty for a zombie, which may never be reaped.
        let command_line = if Path::new("/proc/self").exists() {
            fs::read(process.join("cmdline")).unwrap_or_default()
        } else {
            let ps = Command::new("ps").args(["-ww", "-o", "command=", "-p", &pid.to_string()]).output();
            ps.map(|output| output.stdout).unwrap_or_default()
        };
        let command_line = String::from_utf8_lossy(&command_line).replace('\0', " ");
        let program = command_line.split(' ').next().unwrap_or_default();
        let directory = fs::read_link(process.join("cwd")).unwrap_or_default();
        let works_in = |path: &PathBuf| {
            let path_name = path.to_string_lossy();
            *path == directory
                || command_line.split(&*path_name).skip(1).any(|rest| rest.is_empty() || rest.starts_with(' '))
        };
        self.programs.iter().any(|name| program.contains(name)) && self.paths.iter().any(works_in)
    }
}

/// Stops the engine that a killed predecessor left running, if `pid` is still that process.
pub(super) async fn stop_leftover(
    engine: &'static str,
    pid: u32,
    description: &Description<'_>,
    stop_signals: &StopSequence,
) -> Result<(), EngineError> {
    if !description.matches(pid) {
        return Ok(());
    }
    tracing::info!(engine, pid, "stopping what an earlier run left behind");
    end(engine, pid, stop_signals, || !description.matches(pid)).await
}

async fn end(
    engine: &'static str,
    pid: u32,
    stop_signals: &StopSequence,
    mut gone: impl FnMut() -> bool,
) -> Result<(), EngineError> {
    for (signal, timeout) in stop_signals {
        if gone() {
            return Ok(());
        }
        send(*signal, pid);
        let deadline = Instant::now() + *timeout;
        while Instant::now() < deadline {
            if gone() {
                return Ok(());
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
    Err(EngineError::Stuck { engine, pid })
}

/// By the shell, which has `kill` built in; a failure shows in the wait.
pub(super) fn send(signal: Signal, pid: u32) {
    let name = match signal {
        Signal::Interrupt => "INT",
        Signal::Quit => "QUIT",
        Signal::Terminate => "TERM",
        Signal::Kill => "KILL",
    };
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "kill -s \"$0\" \"$1\"", name, &pid.to_string()]);
    let outcome: io::Result<ExitStatus> =
        shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if let Err(error) = outcome {
        tracing::warn!(%error, pid, signal = name, "could not send a signal");
    }
}

/// The process id in the first line of an engine's file. Neither 0 nor 1: those would be groups and init.
pub(super) fn read_pid(file: &Path) -> Option<u32> {
    fs::read_to_string(file).ok()?.lines().next()?.trim().parse().ok().filter(|pid| *pid > 1)
}
