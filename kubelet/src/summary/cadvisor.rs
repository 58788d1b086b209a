//! `/metrics/cadvisor`: the runtime's metrics of pods, and those of the machine: pure.
#![deny(clippy::disallowed_methods)]

use std::collections::{BTreeMap, BTreeSet};

use super::exposition::{Exposition, Kind};
use super::machine::memory;
use crate::cri::{Metric, MetricDescriptor};

/// What tells about the machine.
#[derive(Clone, Debug, Default)]
pub(super) struct Machine {
    /// `/proc/cpuinfo`
    pub(super) cpuinfo: String,
    /// `/proc/meminfo`
    pub(super) meminfo: String,
    /// `/etc/machine-id`
    pub(super) machine_id: String,
    /// Of its firmware.
    pub(super) system_uuid: String,
    /// Of this run of it.
    pub(super) boot_id: String,
}

/// The text.
pub(super) fn text(
    machine: &Machine,
    descriptors: &[MetricDescriptor],
    metrics: &[Metric],
) -> String {
    let mut text = Exposition::default();
    let mut by_name: BTreeMap<&str, Vec<&Metric>> = BTreeMap::new();
    for metric in metrics {
        by_name.entry(&metric.name).or_default().push(metric);
    }
    for descriptor in descriptors {
        let Some(metrics) = by_name.get(descriptor.name.as_str()) else {
            continue;
        };
        let is_counter = metrics.first().is_some_and(|metric| metric.is_counter);
        let kind = if is_counter {
            Kind::Counter
        } else {
            Kind::Gauge
        };
        text.family(&descriptor.name, &descriptor.help, kind);
        for metric in metrics {
            let names = descriptor.labels.iter().map(String::as_str);
            let labels: Vec<_> = names
                .zip(metric.labels.iter().map(String::as_str))
                .collect();
            text.sample(&metric.name, &labels, metric.value, metric.at);
        }
    }
    of_machine(&mut text, machine);
    text.text()
}

fn of_machine(text: &mut Exposition, machine: &Machine) {
    let labels = [
        ("boot_id", machine.boot_id.as_str()),
        ("machine_id", machine.machine_id.as_str()),
        ("system_uuid", machine.system_uuid.as_str()),
    ];
    let values = |name: &str| -> Vec<&str> {
        let lines = machine
            .cpuinfo
            .lines()
            .filter_map(|line| line.split_once(':'));
        let of_name = lines.filter(|(key, _)| key.trim() == name);
        of_name.map(|(_, value)| value.trim()).collect()
    };
    let (sockets, cores) = (values("physical id"), values("core id"));
    let threads = values("processor").len() as u64;
    // Machines that do not tell have one thread a core, in one socket.
    let physical: BTreeSet<_> = sockets.iter().zip(&cores).collect();
    let physical = if physical.is_empty() {
        threads
    } else {
        physical.len() as u64
    };
    let sockets: BTreeSet<_> = sockets.iter().collect();
    let rows = [
        ("machine_cpu_cores", "Logical processors", Some(threads)),
        (
            "machine_cpu_physical_cores",
            "Physical cores",
            Some(physical),
        ),
        (
            "machine_cpu_sockets",
            "Sockets of processors",
            Some(sockets.len().max(1) as u64),
        ),
        (
            "machine_memory_bytes",
            "Memory of the machine",
            memory(&machine.meminfo, "MemTotal"),
        ),
        (
            "machine_swap_bytes",
            "Swap of the machine",
            memory(&machine.meminfo, "SwapTotal"),
        ),
    ];
    for (name, help, value) in rows {
        if let Some(value) = value {
            text.family(name, help, Kind::Gauge);
            text.sample(name, &labels, value, None);
        }
    }
    let name = "machine_scrape_error";
    text.family(
        name,
        "1 if there was an error while getting machine metrics, 0 otherwise",
        Kind::Gauge,
    );
    text.sample(name, &[], 0, None);
}
