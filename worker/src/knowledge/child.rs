//! Documents are read in a child process: this same program, started with [`ARGUMENT`].
//!
//! It is given the document on its standard input and nothing else: nothing of the environment, no file to write, and
//! so much memory and time. Whatever a document does to its reader, the worker goes on writing replies, and knows what
//! to tell the owner.

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
/// Parsers that go down into nested things may go so deep.
const STACK: usize = 64 * 1_024 * 1_024;
/// Replies go first.
const NICE: i32 = 10;
/// The programs' allocator would reserve more memory ahead than the child may have.
const RESERVE_NOTHING: (&str, &str) = ("MIMALLOC_ARENA_RESERVE", "0");
/// What it may say about its end.
const LAST_WORDS: u64 = 16 * 1_024;
/// The signals' numbers are these on all systems that this runs on.
const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;
const SIGXCPU: i32 = 24;

/// What the child is told on its command line.
#[derive(Debug, Serialize, Deserialize)]
struct Task {
    media_type: MediaType,
    max_text: usize,
    memory: u64,
    seconds: u64,
}

/// Reads a document if this process was started for that, and says how it ended. Call it first in `main`, before there
/// are threads.
pub fn extract_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next().filter(|first| first == ARGUMENT).and(arguments.next())?;
    // What it would say of a panic is of no use to anybody, and may quote the document.
    std::panic::set_hook(Box::new(|_| {}));
    Some(if be_the_child(&task).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn be_the_child(task: &str) -> io::Result<()> {
    let Task { media_type, max_text, memory, seconds } = serde_json::from_str(task)?;
    let limits = [(Resource::As, memory), (Resource::Cpu, seconds), (Resource::Fsize, 0), (Resource::Core, 0)];
    for (resource, limit) in limits {
        setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?;
    }
    nice(NICE)?;
    let mut document = Vec::new();
    io::stdin().lock().read_to_end(&mut document)?;
    let reader = std::thread::Builder::new().stack_size(STACK);
    let outcome = reader.spawn(move || extract(media_type, &document, max_text))?.join();
    let outcome = outcome.unwrap_or_else(|_| Err(Refused("cannot be read: it is broken".to_owned())));
    // On a line of its own: a parser may have said something before.
    let mut answer = io::stdout().lock();
    answer.write_all(b"\n")?;
    serde_json::to_writer(&mut answer, &outcome)?;
    answer.flush()
}

/// Why there is no text.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the document {0}")]
    Refused(#[from] Refused),
    /// It may go better another time.
    #[error("start a process that reads a document: {0}")]
    NotStarted(#[from] io::Error),
}

/// Has a document read, within the limits.
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
    let Ended { status, answer, last_words } = ended?;
    let line = answer.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    match serde_json::from_slice::<Result<Extracted, Refused>>(line) {
        Ok(outcome) if status.success() => outcome.map_err(Failure::from),
        _ => Err(why_it_died(settings, status, &last_words).into()),
    }
}

/// Itself, even where an upgrade has put another in its place.
fn this_program() -> io::Result<std::path::PathBuf> {
    if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { std::env::current_exe() }
}

struct Ended {
    status: ExitStatus,
    answer: Vec<u8>,
    last_words: Vec<u8>,
}

async fn converse(child: &mut Child, document: &[u8], max_text: usize) -> io::Result<Ended> {
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut input), Some(output), Some(complaints)) = pipes else {
        return Err(io::Error::other("the child has no pipes"));
    };
    let write_input = async move {
        // It may have died of the first half.
        _ = input.write_all(document).await;
    };
    let (mut answer, mut last_words) = (Vec::new(), Vec::new());
    // Escapes may double a text, and its headings and pages take some; a parser's own words may be lost.
    let max_bytes = 4 * 1_024 * 1_024 + 2 * max_text as u64;
    let (mut output, mut complaints) = (output.take(max_bytes), complaints.take(LAST_WORDS));
    let (answered, complained, ()) =
        tokio::join!(output.read_to_end(&mut answer), complaints.read_to_end(&mut last_words), write_input);
    answered.and(complained)?;
    drop((output, complaints));
    Ok(Ended { status: child.wait().await?, answer, last_words })
}

fn too_slow(timeout: Duration) -> Refused {
    Refused(format!("takes longer than {timeout:?} to read"))
}

fn why_it_died(settings: &Knowledge, status: ExitStatus, last_words: &[u8]) -> Refused {
    use std::os::unix::process::ExitStatusExt;
    let names = |words: &[u8]| last_words.windows(words.len()).any(|window| window == words);
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
