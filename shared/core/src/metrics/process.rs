//! What the operating system and the runtime say of this process, read when it is scraped.

use std::{fs, time::SystemTime};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Handle;

use super::MetricSet;

/// This process, and the runtime that it is registered in.
pub(super) struct Process;

impl MetricSet for Process {
    fn register(&self, registry: &mut Registry) {
        let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        registry.register_collector(Box::new(Observed { runtime: Handle::current(), started }));
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VersionLabel {
    version: &'static str,
}

#[derive(Debug)]
struct Observed {
    runtime: Handle,
    started: f64,
}

impl Collector for Observed {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let mut build = encoder.encode_descriptor("troupe_build_info", "The version", None, MetricType::Gauge)?;
        let version = VersionLabel { version: env!("CARGO_PKG_VERSION") };
        ConstGauge::new(1_i64).encode(build.encode_family(&version)?)?;
        let runtime = self.runtime.metrics();
        let mut show = |name: &str, help: &str, kind: MetricType, value: f64| {
            let metric = encoder.encode_descriptor(name, help, None, kind)?;
            if matches!(kind, MetricType::Counter) {
                ConstCounter::new(value).encode(metric)
            } else {
                ConstGauge::new(value).encode(metric)
            }
        };
        let (counter, gauge) = (MetricType::Counter, MetricType::Gauge);
        show("process_cpu_seconds", "Processor time, of users and of the system", counter, cpu_seconds())?;
        show("process_start_time_seconds", "When it began, since 1970", gauge, self.started)?;
        show("process_resident_memory_bytes", "Memory in use", gauge, resident_bytes())?;
        show("process_virtual_memory_bytes", "Address space", gauge, status_bytes("VmSize:"))?;
        show("process_threads", "Threads", gauge, status_number("Threads:"))?;
        show("process_open_fds", "Open files and sockets", gauge, open_files())?;
        show("process_max_fds", "The most that may be open", gauge, max_open_files())?;
        show("troupe_runtime_workers", "Threads that run tasks", gauge, runtime.num_workers() as f64)?;
        show("troupe_runtime_tasks", "Tasks that have not ended", gauge, runtime.num_alive_tasks() as f64)?;
        show("troupe_runtime_queued_tasks", "Tasks that wait for a thread", gauge, runtime.global_queue_depth() as f64)
    }
}

/// Processor time so far, of users and of the system.
pub fn cpu_seconds() -> f64 {
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9
}

/// Memory in use.
pub fn resident_bytes() -> f64 {
    status_bytes("VmRSS:")
}

/// The name of the machine or the container; empty elsewhere than on Linux.
pub fn host_name() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

/// A number of `/proc/self/status`; 0 where there is none, as elsewhere than on Linux.
fn status_number(name: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()).and_then(|number| number.parse().ok()).unwrap_or(0.0)
}

/// It is in KiB there.
fn status_bytes(name: &str) -> f64 {
    status_number(name) * 1024.0
}

fn open_files() -> f64 {
    fs::read_dir("/proc/self/fd").map_or(0.0, |entries| entries.count() as f64)
}

fn max_open_files() -> f64 {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let soft = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    soft.and_then(|rest| rest.split_whitespace().next()).and_then(|number| number.parse().ok()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{encode, registry};

    #[tokio::test]
    async fn a_process_has_used_a_processor_memory_and_files() {
        let text = encode(&registry(&[&Process])).unwrap();
        let value = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
            line.unwrap_or_else(|| panic!("{name} is not in\n{text}")).parse().unwrap()
        };
        assert!(value("process_cpu_seconds_total") > 0.0);
        assert!(value("process_start_time_seconds") > 1.7e9);
        for name in ["process_resident_memory_bytes", "process_virtual_memory_bytes"] {
            assert!(value(name) > 1e6, "{name}");
        }
        assert!(value("process_threads") >= 1.0 && value("troupe_runtime_workers") >= 1.0);
        assert!(value("process_open_fds") >= 3.0 && value("process_max_fds") > value("process_open_fds"));
    }
}
