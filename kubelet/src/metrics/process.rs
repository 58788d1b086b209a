//! What every component of Kubernetes tells of itself: its process, its build, its feature gates. Read when
//! somebody asks.

use std::fmt::Error;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

use crate::node::VERSION;

/// A feature gate: its name, the stage of its feature, and whether it is open.
pub type FeatureGate = (&'static str, &'static str, bool);

/// Clock ticks in a second, as the kernel counts for user programs on every architecture.
const TICKS: f64 = 100.0;

/// Tells of this process.
#[derive(Debug)]
struct OwnProcess;

/// What the kernel says of a process.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Counted {
    cpu_seconds: f64,
    /// Since the machine's start.
    started: f64,
    virtual_bytes: u64,
    resident_pages: u64,
}

/// Reads `/proc/PID/stat`, whose second word may hold anything.
fn counted(stat: &str) -> Option<Counted> {
    let (_, rest) = stat.rsplit_once(')')?;
    let words: Vec<_> = rest.split_whitespace().collect();
    // The first of these is the third of the whole.
    let ticks = |place: usize| words.get(place - 3)?.parse::<f64>().ok();
    let number = |place: usize| words.get(place - 3)?.parse::<u64>().ok();
    Some(Counted {
        cpu_seconds: (ticks(14)? + ticks(15)?) / TICKS,
        started: ticks(22)? / TICKS,
        virtual_bytes: number(23)?,
        resident_pages: number(24)?,
    })
}

/// When the machine started, in seconds.
fn boot_time(stat: &str) -> Option<f64> {
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse().ok()
}

impl Collector for OwnProcess {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let stat = fs::read_to_string("/proc/self/stat").ok();
        let machine = fs::read_to_string("/proc/stat").ok();
        if let Some(counted) = stat.as_deref().and_then(counted) {
            let cpu = ConstCounter::new(counted.cpu_seconds);
            let help = "CPU time that the process has used, in seconds";
            let to =
                encoder.encode_descriptor("process_cpu_seconds", help, None, cpu.metric_type())?;
            cpu.encode(to)?;
            let page = rustix::param::page_size() as u64;
            let booted = machine.as_deref().and_then(boot_time).unwrap_or(0.0);
            let mut gauge = |name: &str, help: &str, value: f64| {
                let gauge = ConstGauge::new(value);
                let to = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
                gauge.encode(to)
            };
            let resident = counted.resident_pages * page;
            gauge(
                "process_resident_memory_bytes",
                "Memory of the process that is in RAM",
                as_float(resident),
            )?;
            gauge(
                "process_virtual_memory_bytes",
                "Addresses that the process uses",
                as_float(counted.virtual_bytes),
            )?;
            gauge(
                "process_start_time_seconds",
                "When the process started",
                booted + counted.started,
            )?;
        }
        let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let open = fs::read_dir("/proc/self/fd").map(Iterator::count).ok();
        let open = open.and_then(|count| u64::try_from(count).ok());
        for (name, help, value) in [
            (
                "process_max_fds",
                "Files that the process may have open",
                most,
            ),
            ("process_open_fds", "Files that the process has open", open),
        ] {
            let Some(value) = value else { continue };
            let gauge = ConstGauge::new(as_float(value));
            let to = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(to)?;
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "metrics are floating numbers")]
fn as_float(number: u64) -> f64 {
    number as f64
}

/// Registers what does not begin with the kubelet's name.
pub(super) fn register(registry: &mut Registry, gates: &[FeatureGate]) {
    registry.register_collector(Box::new(OwnProcess));
    let build: Family<Vec<(&str, &str)>, Gauge> = Family::default();
    let (major, minor) = numbers(VERSION);
    build
        .get_or_create(&vec![
            ("major", major),
            ("minor", minor),
            ("git_version", VERSION),
            ("git_commit", ""),
            ("git_tree_state", ""),
            ("build_date", ""),
            ("go_version", ""),
            ("compiler", "rustc"),
            ("platform", PLATFORM),
        ])
        .set(1);
    registry.register(
        "kubernetes_build_info",
        "The version of Kubernetes that this kubelet is like, and how it was built",
        build,
    );
    let features: Family<[(&str, &str); 2], Gauge> = Family::default();
    for (name, stage, is_open) in gates {
        let labels = [("name", *name), ("stage", *stage)];
        features.get_or_create(&labels).set(i64::from(*is_open));
    }
    registry.register(
        "kubernetes_feature_enabled",
        "Whether feature gates are open",
        features,
    );
}

const PLATFORM: &str = if cfg!(target_arch = "aarch64") {
    "linux/arm64"
} else {
    "linux/amd64"
};

/// The first two numbers of a version.
fn numbers(version: &str) -> (&str, &str) {
    let mut numbers = version.trim_start_matches('v').split('.');
    let mut next = || numbers.next().unwrap_or_default();
    (next(), next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_program_is_called() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 9 0 12345 1000000 77 18446744073709551615";
        let expected = Counted {
            cpu_seconds: 3.0,
            started: 123.45,
            virtual_bytes: 1_000_000,
            resident_pages: 77,
        };
        assert_eq!(counted(stat), Some(expected));
        assert_eq!(counted("7 (a) S"), None);
        assert_eq!(
            boot_time("cpu 1 2\nbtime 1700000000\n"),
            Some(1_700_000_000.0)
        );
    }

    #[test]
    fn the_process_the_build_and_the_gates_are_told_without_the_kubelets_name() {
        let mut registry = Registry::default();
        register(&mut registry, &[("QOSReserved", "ALPHA", false)]);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for beginning in [
            "process_cpu_seconds_total ",
            "process_resident_memory_bytes ",
            "process_virtual_memory_bytes ",
            "process_start_time_seconds ",
            "process_max_fds ",
            "process_open_fds ",
            "kubernetes_build_info{major=\"1\",minor=\"36\",git_version=\"v1.36.0",
            "kubernetes_feature_enabled{name=\"QOSReserved\",stage=\"ALPHA\"} 0",
        ] {
            let is_there = text.lines().any(|line| line.starts_with(beginning));
            assert!(is_there, "{beginning}\n{text}");
        }
    }
}
