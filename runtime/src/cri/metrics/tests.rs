//! The tables as a whole, and a pod as it is told.

use std::collections::{BTreeMap, HashSet};

use super::*;
use crate::model::container::User;
use crate::model::{
    ContainerConfig, ContainerId, ContainerRecord, ContainerState, SandboxConfig, SandboxId,
    SandboxRecord, SandboxState,
};
use crate::stats::usage::{
    Cpu, DeviceIo, Interface, LayerUsage, Memory, ProcessCounts, Tasks, Traffic, Usage,
};
use crate::stats::{ContainerReading, FileSystem, Network, Reading};

fn pod() -> PodSnapshot {
    let mut config = SandboxConfig::default();
    config.metadata.name = "web-0".to_owned();
    config.metadata.namespace = "shop".to_owned();
    let sandbox_id = SandboxId::from_random([1; 32]);
    let mut asked = ContainerConfig {
        image: "sha256:1234".to_owned(),
        user_specified_image: "nginx:1".to_owned(),
        ..Default::default()
    };
    asked.metadata.name = "nginx".to_owned();
    asked.resources.memory_limit = Some(1000);
    let container = ContainerRecord {
        image_volumes: Vec::new(),
        id: ContainerId::from_random([2; 32]),
        sandbox_id: sandbox_id.clone(),
        config: asked,
        image_id: String::new(),
        image_ref: String::new(),
        stop_signal: 15,
        user: User::default(),
        created_at: 1,
        state: ContainerState::Running {
            started_at: 5_000_000_000,
            pid: 9,
        },
    };
    PodSnapshot {
        sandbox: SandboxRecord {
            created_at: 1,
            state: SandboxState::Ready {
                ips: Vec::new(),
                pause_pid: 8,
            },
            ..SandboxRecord::reserved(sandbox_id, config)
        },
        containers: BTreeMap::from([(container.id.clone(), container)]),
    }
}

fn reading() -> PodReading {
    let usage = Usage {
        at: 9_000_000_000,
        cpu: Some(Cpu {
            total: 3_900_000_000,
            ..Default::default()
        }),
        memory: Some(Memory {
            usage: 100,
            inactive_file: 40,
            ..Default::default()
        }),
        tasks: Some(Tasks {
            count: 4,
            limit: None,
        }),
        devices: vec![DeviceIo {
            major: 8,
            minor: 0,
            read_bytes: 10,
            written_bytes: 20,
            reads: 1,
            writes: 2,
        }],
        ..Default::default()
    };
    PodReading {
        whole: None,
        network: Some(Network {
            at: 1,
            interfaces: vec![Interface {
                name: "eth0".to_owned(),
                received: Traffic {
                    bytes: 77,
                    ..Default::default()
                },
                sent: Traffic::default(),
            }],
        }),
        containers: vec![ContainerReading {
            id: ContainerId::from_random([2; 32]),
            running: Some(Reading {
                usage,
                nano_cores: None,
            }),
            layer: Some(LayerUsage {
                at: 33,
                bytes: 4096,
                inodes: 1,
            }),
            processes: Some(ProcessCounts::default()),
        }],
    }
}

fn told() -> cri::PodSandboxMetrics {
    let storage = Storage {
        file_system: Some(FileSystem {
            device: "/dev/sda1".to_owned(),
            bytes: 1,
            inodes: 1,
            free_inodes: 1,
        }),
        ..Default::default()
    };
    of_pod(&pod(), &reading(), &storage, |name| format!("/pods/{name}"))
}

fn values<'a>(metrics: &'a [cri::Metric], name: &str) -> Vec<(&'a [String], u64)> {
    let of_name = metrics.iter().filter(|metric| metric.name == name);
    of_name
        .map(|metric| {
            let value = metric.value.as_ref().unwrap().value;
            (&metric.label_values[LABELS.len()..], value)
        })
        .collect()
}

#[test]
fn every_metric_is_described_once_with_a_help_and_labels() {
    let descriptors = descriptors();
    let names: HashSet<_> = descriptors.iter().map(|one| &one.name).collect();
    assert_eq!(names.len(), descriptors.len());
    for one in &descriptors {
        assert!(!one.help.is_empty() && one.label_keys.starts_with(&LABELS.map(str::to_owned)));
        assert!(one.name.starts_with("container_"), "{}", one.name);
    }
}

#[test]
fn each_value_has_as_many_labels_as_its_metric_was_described_with() {
    let keys: BTreeMap<String, usize> = descriptors()
        .into_iter()
        .map(|one| (one.name, one.label_keys.len()))
        .collect();
    let told = told();
    let all = told
        .metrics
        .iter()
        .chain(&told.container_metrics[0].metrics);
    for metric in all {
        assert_eq!(
            Some(&metric.label_values.len()),
            keys.get(&metric.name),
            "{}",
            metric.name
        );
    }
}

#[test]
fn a_container_is_told_with_cadvisors_labels() {
    let told = told();
    let metrics = &told.container_metrics[0].metrics;
    let id = ContainerId::from_random([2; 32]).to_string();
    let cgroup = format!("/pods/{id}");
    let expected = [cgroup.as_str(), &id, "nginx:1", "nginx", "shop", "web-0"];
    assert_eq!(metrics[0].label_values[..LABELS.len()], expected);
    for (name, expected) in [
        ("container_cpu_usage_seconds_total", 3),
        ("container_memory_working_set_bytes", 60),
        ("container_threads", 4),
        ("container_threads_max", 0),
        ("container_start_time_seconds", 5),
        ("container_last_seen", 9),
        ("container_spec_memory_limit_bytes", 1000),
        ("container_spec_cpu_period", 100_000),
        ("container_fs_usage_bytes", 4096),
    ] {
        assert_eq!(values(metrics, name)[0].1, expected, "{name}");
    }
    assert_eq!(
        values(metrics, "container_blkio_device_usage_total")[1],
        (["8:0", "8", "0", "write"].map(str::to_owned).as_slice(), 20)
    );
}

#[test]
fn what_is_not_known_has_no_value() {
    let told = told();
    let metrics = &told.container_metrics[0].metrics;
    for name in [
        "container_pressure_cpu_waiting_seconds_total",
        "container_memory_swap",
        "container_spec_cpu_quota",
        "container_oom_events_total",
    ] {
        assert_eq!(values(metrics, name), [], "{name}");
    }
}

#[test]
fn only_what_was_counted_earlier_has_a_time() {
    let told = told();
    for metric in &told.container_metrics[0].metrics {
        let expected = if metric.name == "container_fs_usage_bytes" {
            33
        } else {
            0
        };
        assert_eq!(metric.timestamp, expected, "{}", metric.name);
    }
}

#[test]
fn traffic_is_told_of_the_pod() {
    let told = told();
    let received = values(&told.metrics, "container_network_receive_bytes_total");
    assert_eq!(received, [(["eth0".to_owned()].as_slice(), 77)]);
    assert_eq!(told.metrics[0].label_values[3], "POD");
}
