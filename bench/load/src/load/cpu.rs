//! CPU time and memory of processes of this machine, from `/proc`.

use std::{fs, time::Duration};

use anyhow::Context;

use crate::options::Process;

/// The unit of CPU times in `/proc`: Linux has 100 a second for all programs, whatever the kernel's own clock is.
const TICK: Duration = Duration::from_millis(10);

/// Counts the CPU time of processes from its making on.
pub(crate) struct Meter {
    processes: Vec<(Process, Duration)>,
}

impl Meter {
    /// Of these, and of this process itself: a load generator that takes most of the CPU measures itself.
    pub(crate) fn start(processes: &[Process]) -> anyhow::Result<Self> {
        let own = Process { name: "load".to_owned(), pid: std::process::id() };
        let all = processes.iter().cloned().chain([own]);
        let processes =
            all.map(|process| cpu_time(process.pid).map(|spent| (process, spent))).collect::<Result<_, _>>()?;
        Ok(Self { processes })
    }

    /// The CPU time since the start, by name.
    pub(crate) fn spent(self) -> anyhow::Result<Vec<(String, Duration)>> {
        let spent = |(process, before): (Process, Duration)| {
            cpu_time(process.pid).map(|now| (process.name, now.saturating_sub(before)))
        };
        self.processes.into_iter().map(spent).collect()
    }
}

/// The CPU time of a process, of its children that have ended, and of those that run: a connection to PostgreSQL is a
/// child of the postmaster.
fn cpu_time(pid: u32) -> anyhow::Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).context(path)?;
    let own = Ticks::parse(&stat).context("unknown format of /proc/pid/stat")?;
    let is_pid = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
    let entries = fs::read_dir("/proc").context("/proc")?.flatten();
    let processes = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_pid));
    // A process that ends meanwhile is no longer there to be read.
    let stats = processes.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    let children = stats.filter_map(|stat| Ticks::parse(&stat)).filter(|child| child.parent == pid);
    let ticks = own.own + own.ended_children + children.map(|child| child.own).sum::<u32>();
    Ok(TICK * ticks)
}

/// What a `/proc/pid/stat` says of CPU time.
#[derive(Debug, PartialEq, Eq)]
struct Ticks {
    parent: u32,
    own: u32,
    ended_children: u32,
}

impl Ticks {
    fn parse(stat: &str) -> Option<Self> {
        // The program's name comes first, in brackets, and may itself contain brackets and spaces.
        let (_, rest) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let field = |index: usize| fields.get(index)?.parse::<u32>().ok();
        Some(Self { parent: field(1)?, own: field(11)? + field(12)?, ended_children: field(13)? + field(14)? })
    }
}

/// The resident memory of a process, in KiB.
pub(crate) fn resident_kib(pid: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).context(path)?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_does_not_shift_the_fields() {
        let stat = "7 (a) S (b) S 3 7 7 0 -1 4194560 1 2 3 4 50 6 7 8 20 0 1";
        assert_eq!(Ticks::parse(stat), Some(Ticks { parent: 3, own: 56, ended_children: 15 }));
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        assert!(cpu_time(u32::MAX).is_err());
    }

    #[test]
    fn work_takes_cpu_time() {
        let meter = Meter::start(&[]).expect("a meter");
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(200) {
            std::hint::spin_loop();
        }
        let spent = meter.spent().expect("the CPU time");
        assert_eq!(spent[0].0, "load");
        assert!(spent[0].1 > Duration::ZERO);
    }
}
