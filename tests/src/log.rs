//! Everything that a server or a worker has written, and the checks that hold for all of it.

use std::io;

use serde_json::Value;
use tokio::sync::watch;

use crate::{DEADLINE, leaks, within};

/// The lines of one process, or of what stands for one.
#[derive(Debug)]
pub(crate) struct Log {
    name: String,
    lines: watch::Sender<Vec<String>>,
    /// No line will come any more.
    ended: watch::Sender<bool>,
}

impl Log {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), lines: watch::Sender::default(), ended: watch::Sender::default() }
    }

    pub(crate) fn push(&self, line: String) {
        self.lines.send_modify(|lines| lines.push(line));
    }

    pub(crate) fn end(&self) {
        self.ended.send_replace(true);
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.borrow().clone()
    }

    /// Waits for a log entry for which this holds.
    pub(crate) async fn logged_where(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let (mut lines, mut ended) = (self.lines.subscribe(), self.ended.subscribe());
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
    pub(crate) async fn printed(&self, words: &str) -> String {
        let mut lines = self.lines.subscribe();
        let found = |lines: &Vec<String>| lines.iter().find(|line| line.contains(words)).cloned();
        let what = format!("“{words}” from {}", self.name);
        let printed = within(&what, lines.wait_for(|lines| found(lines).is_some())).await;
        printed.ok().and_then(|lines| found(&lines)).expect("the line that was waited for")
    }

    /// The lines that no healthy run has.
    pub(crate) fn alarms(&self) -> Vec<String> {
        let alarming = |line: &String| line.contains("panicked") || line.contains(r#""level":"ERROR""#);
        self.lines().into_iter().filter(alarming).map(|line| format!("{}: {line}", self.name)).collect()
    }

    /// See [`leaks`].
    pub(crate) fn assert_no_leaks(&self) {
        let lines = self.lines();
        let leaks = leaks::leaks(&lines);
        assert!(leaks.is_empty(), "{} has written a secret:\n{leaks:#?}", self.name);
    }
}

/// For a `tracing` subscriber: each write is a whole entry.
impl io::Write for &Log {
    fn write(&mut self, entry: &[u8]) -> io::Result<usize> {
        String::from_utf8_lossy(entry).lines().for_each(|line| self.push(line.to_owned()));
        Ok(entry.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
