//! The harness itself: what it has started ends with it.

use std::{ffi::OsStr, path::Path, process::Stdio};

use troupe_tests::{Process, Signal, within};

/// Something that is run with engines; returns also their directory.
async fn run_with_engines(command: &str) -> (Process, String) {
    let script = format!("echo engines ${{TROUPE_TESTS_REDIS#*://}}; exec {command}");
    let arguments = ["sh", "-c", &script].map(OsStr::new);
    let run = Process::start_reading(Stdio::piped(), "with-engines", "a run of tests".to_owned(), &arguments, &[]);
    let line = run.printed("engines ").await;
    let socket = line.strip_prefix("engines ").expect("a path");
    assert!(Path::new(socket).exists(), "{socket}");
    let directory = Path::new(socket).ancestors().nth(4).expect("…/redis/redis/run/redis.sock");
    (run, directory.display().to_string())
}

/// Its process is another user's and in a group of its own, so nothing else ends it.
fn postgres_in(directory: &str) -> bool {
    let pid_file = Path::new(directory).join("postgres/postgres/data/postmaster.pid");
    let pid = std::fs::read_to_string(pid_file).ok().and_then(|text| text.lines().next().map(str::to_owned));
    pid.is_some_and(|pid| Path::new("/proc").join(pid).exists())
}

#[tokio::test]
async fn engines_of_a_run_end_with_it() {
    let (mut run, directory) = run_with_engines("sleep 60").await;
    assert!(postgres_in(&directory));
    run.signal(Signal::Terminate);
    assert_eq!(run.ended().await.code(), Some(128 + 15), "that of the command");
    assert!(!Path::new(&directory).exists());
}

#[tokio::test]
async fn engines_of_a_run_that_is_killed_end_too() {
    // The command outlives it, until its input ends.
    let (mut run, directory) = run_with_engines("cat").await;
    assert!(postgres_in(&directory));
    run.kill().await;
    within("an end of the engines", async {
        while Path::new(&directory).exists() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
