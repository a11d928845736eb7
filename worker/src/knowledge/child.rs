//! Documents are read in a sandboxed child process: this same program, started with [`ARGUMENT`].
//!
//! It gets the document on its standard input and nothing else: no environment, no file to write, and limited memory
//! and time. Whatever a document does to its parser, the worker continues, and can report the reason.

use std::{
    io::{self, Read, Write},
    process::{ExitCode, ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Resource, Rlimit, nice, setrlimit};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
};
use troupe_core::{config::Knowledge, media_type::MediaType};

use super::extract::{Extracted, Refused, extract};

const ARGUMENT: &str = "extract-document";
/// The stack size, for recursive parsers.
const STACK_BYTES: usize = 64 * 1_024 * 1_024;
/// Replies have priority.
const NICE: i32 = 10;
/// The allocator would reserve more address space than the child's limit.
const RESERVE_NOTHING: (&str, &str) = ("MIMALLOC_ARENA_RESERVE", "0");
/// The maximum of its error output that is read.
const MAX_STDERR_BYTES: u64 = 16 * 1_024;
/// The same numbers on all supported systems.
const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;
const SIGXCPU: i32 = 24;

/// The command line argument of the child.
#[derive(Debug, Serialize, Deserialize)]
struct Task {
    media_type: MediaType,
    max_text: usize,
    memory: u64,
    seconds: u64,
}

/// Extracts a document if this process was started for that; returns the exit code. Call it first in `main`, before
/// there are threads.
pub fn extract_if_child() -> Option<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next().filter(|first| first == ARGUMENT).and(arguments.next())?;
    // No panic messages: they may quote the document.
    std::panic::set_hook(Box::new(|_| {}));
    Some(if run_child(&task).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_child(task: &str) -> io::Result<()> {
    let Task { media_type, max_text, memory, seconds } = serde_json::from_str(task)?;
    let limits = [(Resource::As, memory), (Resource::Cpu, seconds), (Resource::Fsize, 0), (Resource::Core, 0)];
    for (resource, limit) in limits {
        setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?;
    }
    nice(NICE)?;
    let mut document = Vec::new();
    io::stdin().lock().read_to_end(&mut document)?;
    let reader = std::thread::Builder::new().stack_size(STACK_BYTES);
    let outcome = reader.spawn(move || extract(media_type, &document, max_text))?.join();
    let outcome = outcome.unwrap_or_else(|_| Err(Refused("cannot be read: it is broken".to_owned())));
    // On a line of its own: a parser may have written to standard output.
    let mut answer = io::stdout().lock();
    answer.write_all(b"\n")?;
    serde_json::to_writer(&mut answer, &outcome)?;
    answer.flush()
}

/// Why extraction failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the document {0}")]
    Refused(#[from] Refused),
    /// Retryable.
    #[error("start a process that reads a document: {0}")]
    NotStarted(#[from] io::Error),
}

/// Extracts a document in a child process, within the limits.
pub(crate) async fn extract_apart(
    settings: &Knowledge,
    media_type: MediaType,
    document: &[u8],
) -> Result<Extracted, Failure> {
    let seconds = settings.extract_timeout.as_secs() + 1;
    let task = Task { media_type, max_text: settings.max_text, memory: settings.extract_memory, seconds };
    let mut child = Command::new(this_program()?)
        .args([ARGUMENT, &serde_json::to_string(&task).map_err(io::Error::from)?])
        .env_clear()
        .envs([RESERVE_NOTHING])
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let ended = tokio::time::timeout(settings.extract_timeout, converse(&mut child, document, settings.max_text)).await;
    let Ok(ended) = ended else {
        child.kill().await?;
        return Err(too_slow(settings.extract_timeout).into());
    };
    let Ended { status, answer, stderr } = ended?;
    let line = answer.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    match serde_json::from_slice::<Result<Extracted, Refused>>(line) {
        Ok(outcome) if status.success() => outcome.map_err(Failure::from),
        _ => Err(why_it_died(settings, status, &stderr).into()),
    }
}

/// The running program, even if an upgrade has replaced its file.
fn this_program() -> io::Result<std::path::PathBuf> {
    if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { std::env::current_exe() }
}

struct Ended {
    status: ExitStatus,
    answer: Vec<u8>,
    stderr: Vec<u8>,
}

async fn converse(child: &mut Child, document: &[u8], max_text: usize) -> io::Result<Ended> {
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut input), Some(output), Some(complaints)) = pipes else {
        return Err(io::Error::other("the child has no pipes"));
    };
    let write_input = async move {
        // The child may have died while reading.
        _ = input.write_all(document).await;
    };
    let (mut answer, mut stderr) = (Vec::new(), Vec::new());
    // JSON escapes may double a text, and there are headings and pages; error output beyond the maximum is lost.
    let max_bytes = 4 * 1_024 * 1_024 + 2 * max_text as u64;
    let (mut output, mut complaints) = (output.take(max_bytes), complaints.take(MAX_STDERR_BYTES));
    let (answered, complained, ()) =
        tokio::join!(output.read_to_end(&mut answer), complaints.read_to_end(&mut stderr), write_input);
    answered.and(complained)?;
    drop((output, complaints));
    Ok(Ended { status: child.wait().await?, answer, stderr })
}

fn too_slow(timeout: Duration) -> Refused {
    Refused(format!("takes longer than {timeout:?} to read"))
}

fn why_it_died(settings: &Knowledge, status: ExitStatus, stderr: &[u8]) -> Refused {
    use std::os::unix::process::ExitStatusExt;
    let names = |words: &[u8]| stderr.windows(words.len()).any(|window| window == words);
    match status.signal() {
        Some(SIGXCPU) => too_slow(settings.extract_timeout),
        Some(SIGKILL) => too_much_memory(settings.extract_memory),
        Some(SIGABRT) if names(b"memory allocation of") => too_much_memory(settings.extract_memory),
        Some(_) if names(b"overflowed its stack") => Refused("is nested too deeply to be read".to_owned()),
        _ => Refused("cannot be read: it is broken".to_owned()),
    }
}

fn too_much_memory(max_bytes: u64) -> Refused {
    Refused(format!("takes more than {} MiB of memory to read", max_bytes / (1_024 * 1_024)))
}
