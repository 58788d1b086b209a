//! Readings into the contract's messages. What was not read is left out, never zero.
#![deny(clippy::disallowed_methods)]

use podling_proto::runtime::v1 as cri;

use crate::lifecycle::PodSnapshot;
use crate::model::ContainerRecord;
use crate::stats::usage::{Interface, LayerUsage, Memory, Pressure, Stall, Usage};
use crate::stats::{ContainerReading, Network, PodReading, Reading};

/// One container; `mountpoint` names the file system that it writes to.
pub(super) fn container(
    record: &ContainerRecord,
    reading: Option<&ContainerReading>,
    mountpoint: &str,
) -> cri::ContainerStats {
    let metadata = &record.config.metadata;
    let running = reading.and_then(|reading| reading.running.as_ref());
    cri::ContainerStats {
        attributes: Some(cri::ContainerAttributes {
            id: record.id.to_string(),
            metadata: Some(cri::ContainerMetadata {
                name: metadata.name.clone(),
                attempt: metadata.attempt,
            }),
            labels: record.config.labels.clone(),
            annotations: record.config.annotations.clone(),
        }),
        cpu: running.and_then(cpu),
        memory: running.and_then(memory),
        writable_layer: reading
            .and_then(|reading| reading.layer)
            .map(|layer| written(layer, mountpoint)),
        swap: running.and_then(swap),
        io: running.and_then(io),
    }
}

/// One pod.
pub(super) fn pod(
    pod: &PodSnapshot,
    reading: &PodReading,
    mountpoint: &str,
) -> cri::PodSandboxStats {
    let sandbox = &pod.sandbox;
    let metadata = &sandbox.config.metadata;
    let whole = reading.whole.as_ref();
    cri::PodSandboxStats {
        attributes: Some(cri::PodSandboxAttributes {
            id: sandbox.id.to_string(),
            metadata: Some(cri::PodSandboxMetadata {
                name: metadata.name.clone(),
                uid: metadata.uid.clone(),
                namespace: metadata.namespace.clone(),
                attempt: metadata.attempt,
            }),
            labels: sandbox.config.labels.clone(),
            annotations: sandbox.config.annotations.clone(),
        }),
        linux: Some(cri::LinuxPodSandboxStats {
            cpu: whole.and_then(cpu),
            memory: whole.and_then(memory),
            network: reading.network.as_ref().map(network),
            process: whole.and_then(processes),
            containers: reading
                .containers
                .iter()
                .map(|one| container(&pod.containers[&one.id], Some(one), mountpoint))
                .collect(),
            io: whole.and_then(io),
        }),
        windows: None,
    }
}

fn cpu(reading: &Reading) -> Option<cri::CpuUsage> {
    let Usage {
        at, cpu, pressure, ..
    } = &reading.usage;
    Some(cri::CpuUsage {
        timestamp: *at,
        usage_core_nano_seconds: number((*cpu)?.total),
        usage_nano_cores: reading.nano_cores.and_then(number),
        psi: pressure.cpu.map(stalls),
    })
}

fn memory(reading: &Reading) -> Option<cri::MemoryUsage> {
    let Usage {
        at,
        memory,
        pressure,
        ..
    } = &reading.usage;
    let memory: Memory = (*memory)?;
    Some(cri::MemoryUsage {
        timestamp: *at,
        working_set_bytes: number(memory.working_set()),
        available_bytes: memory.available().and_then(number),
        usage_bytes: number(memory.usage),
        rss_bytes: number(memory.rss),
        page_faults: number(memory.page_faults),
        major_page_faults: number(memory.major_page_faults),
        psi: pressure.memory.map(stalls),
    })
}

fn swap(reading: &Reading) -> Option<cri::SwapUsage> {
    let swap = reading.usage.swap?;
    Some(cri::SwapUsage {
        timestamp: reading.usage.at,
        swap_available_bytes: swap
            .limit
            .and_then(|limit| number(limit.saturating_sub(swap.usage))),
        swap_usage_bytes: number(swap.usage),
    })
}

/// The contract has only the pressure of devices.
fn io(reading: &Reading) -> Option<cri::IoUsage> {
    Some(cri::IoUsage {
        timestamp: reading.usage.at,
        psi: Some(stalls(reading.usage.pressure.io?)),
    })
}

fn processes(reading: &Reading) -> Option<cri::ProcessUsage> {
    Some(cri::ProcessUsage {
        timestamp: reading.usage.at,
        process_count: number(reading.usage.tasks?.count),
    })
}

fn written(layer: LayerUsage, mountpoint: &str) -> cri::FilesystemUsage {
    cri::FilesystemUsage {
        timestamp: layer.at,
        fs_id: Some(cri::FilesystemIdentifier {
            mountpoint: mountpoint.to_owned(),
        }),
        used_bytes: number(layer.bytes),
        inodes_used: number(layer.inodes),
    }
}

/// The default interface is the one that the pod network made, else the first.
fn network(network: &Network) -> cri::NetworkUsage {
    let interfaces = &network.interfaces;
    let default = interfaces
        .iter()
        .position(|interface| interface.name == "eth0")
        .or(Some(0))
        .filter(|at| *at < interfaces.len());
    let others = interfaces.iter().enumerate();
    cri::NetworkUsage {
        timestamp: network.at,
        default_interface: default.map(|at| interface(&interfaces[at])),
        interfaces: others
            .filter(|(at, _)| Some(*at) != default)
            .map(|(_, other)| interface(other))
            .collect(),
    }
}

fn interface(interface: &Interface) -> cri::NetworkInterfaceUsage {
    cri::NetworkInterfaceUsage {
        name: interface.name.clone(),
        rx_bytes: number(interface.received.bytes),
        rx_errors: number(interface.received.errors),
        tx_bytes: number(interface.sent.bytes),
        tx_errors: number(interface.sent.errors),
    }
}

fn stalls(pressure: Pressure) -> cri::PsiStats {
    let data = |stall: Stall| cri::PsiData {
        total: stall.total,
        avg10: stall.avg10,
        avg60: stall.avg60,
        avg300: stall.avg300,
    };
    cri::PsiStats {
        full: Some(data(pressure.full)),
        some: Some(data(pressure.some)),
    }
}

fn number(value: u64) -> Option<cri::UInt64Value> {
    Some(cri::UInt64Value { value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::usage::{Cpu, Swap};

    fn reading() -> Reading {
        Reading {
            usage: Usage {
                at: 42,
                cpu: Some(Cpu {
                    total: 7,
                    ..Default::default()
                }),
                memory: Some(Memory {
                    usage: 100,
                    inactive_file: 30,
                    ..Default::default()
                }),
                swap: Some(Swap {
                    usage: 10,
                    limit: Some(50),
                }),
                ..Default::default()
            },
            nano_cores: None,
        }
    }

    #[test]
    fn what_is_not_known_is_not_said() {
        let cpu = cpu(&reading()).unwrap();
        assert_eq!((cpu.timestamp, cpu.usage_nano_cores), (42, None));
        assert_eq!(cpu.usage_core_nano_seconds, number(7));
        let memory = memory(&reading()).unwrap();
        assert_eq!(memory.working_set_bytes, number(70));
        assert_eq!(memory.available_bytes, None, "there is no limit");
        assert_eq!(io(&reading()), None);
        assert_eq!(swap(&reading()).unwrap().swap_available_bytes, number(40));
    }

    #[test]
    fn the_default_interface_is_not_among_the_others() {
        let interfaces = |names: &[&str]| Network {
            at: 1,
            interfaces: names
                .iter()
                .map(|name| Interface {
                    name: (*name).to_owned(),
                    ..Default::default()
                })
                .collect(),
        };
        let usage = network(&interfaces(&["net1", "eth0", "net2"]));
        assert_eq!(usage.default_interface.unwrap().name, "eth0");
        let names: Vec<_> = usage.interfaces.iter().map(|one| &one.name).collect();
        assert_eq!(names, ["net1", "net2"]);
        assert_eq!(
            network(&interfaces(&["net1"]))
                .default_interface
                .unwrap()
                .name,
            "net1"
        );
        assert_eq!(network(&interfaces(&[])).default_interface, None);
    }
}
