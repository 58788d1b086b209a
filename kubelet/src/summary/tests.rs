//! The summary and the metrics, compared with what upstream's clients expect.

use serde_json::json;

use super::build::{Extent, Filesystem, Surroundings};
use super::machine::{Around, Files};
use super::*;
use crate::cri;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn usage(seconds: u64) -> cri::Usage {
    cri::Usage {
        cpu: Some(cri::CpuUsage {
            at: at(0),
            core_nanoseconds: Some(seconds * 1_500_000_000),
            nano_cores: Some(2_000_000),
            pressure: Some(cri::Pressure {
                full: cri::Waiting::default(),
                some: cri::Waiting {
                    total: 7,
                    avg10: 0.5,
                    avg60: 0.25,
                    avg300: 0.0,
                },
            }),
        }),
        memory: Some(cri::MemoryUsage {
            at: at(0),
            available: None,
            usage: Some(300),
            working_set: Some(200),
            rss: Some(100),
            page_faults: Some(9),
            major_page_faults: Some(1),
            pressure: None,
        }),
        swap: Some(cri::SwapUsage {
            at: at(0),
            available: Some(50),
            usage: Some(5),
        }),
        io: None,
    }
}

fn web() -> PodStats {
    let interface = cri::InterfaceUsage {
        name: "eth0".to_owned(),
        rx_bytes: Some(11),
        rx_errors: Some(0),
        tx_bytes: Some(12),
        tx_errors: None,
    };
    PodStats {
        id: "sandbox".into(),
        metadata: cri::SandboxMetadata {
            name: "web-node".to_owned(),
            namespace: "default".to_owned(),
            uid: "uid-1".to_owned(),
            attempt: 0,
        },
        usage: cri::Usage {
            swap: None,
            ..usage(2)
        },
        network: Some(cri::NetworkUsage {
            at: at(0),
            default_interface: Some(interface.clone()),
            interfaces: vec![interface],
        }),
        processes: Some(3),
        containers: vec![cri::ContainerStats {
            id: "container".into(),
            metadata: cri::ContainerMetadata {
                name: "web".to_owned(),
                attempt: 0,
            },
            usage: usage(1),
            writable_layer: Some(FilesystemUsage {
                at: at(0),
                mount_point: "/r".to_owned(),
                used_bytes: Some(4096),
                inodes_used: Some(2),
            }),
        }],
    }
}

fn around() -> Surroundings {
    let filesystem = Filesystem {
        capacity: 1000,
        available: 600,
        inodes: 100,
        inodes_free: 90,
    };
    Surroundings {
        sandboxes: [("sandbox".into(), at(-20))].into(),
        containers: [("container".into(), at(-10))].into(),
        logs: [("container".into(), (80, 1))].into(),
        container_fs: Some(filesystem),
        log_fs: Some(filesystem),
    }
}

#[test]
fn a_pod_is_told_as_upstream_tells_it() {
    let pod = build::pod(&web(), &around(), Extent::Whole, at(1));
    let cpu = |nanoseconds: u64| {
        json!({
            "time": "2023-11-14T22:13:20Z", "usageNanoCores": 2_000_000,
            "usageCoreNanoSeconds": nanoseconds,
            "psi": {
                "full": { "total": 0, "avg10": 0.0, "avg60": 0.0, "avg300": 0.0 },
                "some": { "total": 7, "avg10": 0.5, "avg60": 0.25, "avg300": 0.0 },
            },
        })
    };
    let memory = json!({
        "time": "2023-11-14T22:13:20Z", "usageBytes": 300, "workingSetBytes": 200,
        "rssBytes": 100, "pageFaults": 9, "majorPageFaults": 1,
    });
    let filesystem = |time: &str, bytes: u64, inodes: u64| {
        json!({
            "time": time, "availableBytes": 600, "capacityBytes": 1000, "usedBytes": bytes,
            "inodesFree": 90, "inodes": 100, "inodesUsed": inodes,
        })
    };
    let expected = json!({
        "podRef": { "name": "web-node", "namespace": "default", "uid": "uid-1" },
        "startTime": "2023-11-14T22:13:00Z",
        "containers": [{
            "name": "web",
            "startTime": "2023-11-14T22:13:10Z",
            "cpu": cpu(1_500_000_000),
            "memory": memory,
            "rootfs": filesystem("2023-11-14T22:13:20Z", 4096, 2),
            "logs": filesystem("2023-11-14T22:13:21Z", 80, 1),
            "swap": {
                "time": "2023-11-14T22:13:20Z", "swapAvailableBytes": 50, "swapUsageBytes": 5,
            },
        }],
        "cpu": cpu(3_000_000_000),
        "memory": memory,
        "network": {
            "time": "2023-11-14T22:13:20Z", "name": "eth0", "rxBytes": 11, "rxErrors": 0,
            "txBytes": 12,
            "interfaces": [{ "name": "eth0", "rxBytes": 11, "rxErrors": 0, "txBytes": 12 }],
        },
        "ephemeral-storage": filesystem("2023-11-14T22:13:21Z", 4176, 3),
        "process_stats": { "process_count": 3 },
        "swap": { "time": "2023-11-14T22:13:20Z", "swapAvailableBytes": 50, "swapUsageBytes": 5 },
    });
    assert_eq!(serde_json::to_value(pod).unwrap(), expected);
}

#[test]
fn who_asks_only_for_processor_and_memory_gets_no_more() {
    let pod = build::pod(&web(), &around(), Extent::OnlyCpuAndMemory, at(1));
    let pod = serde_json::to_value(pod).unwrap();
    let keys: Vec<_> = pod
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        keys,
        ["containers", "cpu", "memory", "podRef", "startTime", "swap"]
    );
    let container = pod["containers"][0].as_object().unwrap();
    let keys: Vec<_> = container.keys().map(String::as_str).collect();
    assert_eq!(keys, ["cpu", "memory", "name", "startTime", "swap"]);
}

fn kernel() -> Files {
    Files {
        stat: "cpu  100 10 50 1000 20 5 5 0 7 0\nbtime 1699990000\n".to_owned(),
        meminfo: "MemTotal: 1000 kB\nMemFree: 300 kB\nInactive(file): 200 kB\nAnonPages: 90 kB\n\
                  SwapTotal: 64 kB\nSwapFree: 60 kB\n"
            .to_owned(),
        vmstat: "pgfault 77\npgmajfault 7\n".to_owned(),
        net_dev: "head\nhead\n  lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n  eth1: 5 1 2 0 0 0 0 0 6 1 3 0 0 0 0 0\n  eth0: 7 1 0 0 0 0 0 0 8 1 0 0 0 0 0 0\n".to_owned(),
        route: "Iface Destination Gateway\neth1 0000A8C0 0\neth0 00000000 0101A8C0\n".to_owned(),
        loadavg: "0.1 0.2 0.3 2/345 999\n".to_owned(),
        pid_max: "32768\n".to_owned(),
        io_pressure: "some avg10=1.50 avg60=0.00 avg300=0.00 total=9\nfull avg10=0.00 avg60=0.00 avg300=0.25 total=4\n".to_owned(),
        ..Files::default()
    }
}

#[test]
fn a_node_is_told_as_upstream_tells_it() {
    let size = Filesystem {
        capacity: 1000,
        available: 600,
        inodes: 100,
        inodes_free: 90,
    };
    let around = Around {
        name: "node".to_owned(),
        nano_cores: Some(5),
        root_fs: Some(size),
        image_fs: Some((Some(size), Some(30), Some(3))),
        container_fs: None,
    };
    let node = machine::node(&kernel(), &around, at(0));
    let time = "2023-11-14T22:13:20Z";
    let filesystem = |bytes: u64, inodes: u64| {
        json!({
            "time": time, "availableBytes": 600, "capacityBytes": 1000, "usedBytes": bytes,
            "inodesFree": 90, "inodes": 100, "inodesUsed": inodes,
        })
    };
    let expected = json!({
        "nodeName": "node",
        "startTime": "2023-11-14T19:26:40Z",
        "cpu": { "time": time, "usageNanoCores": 5, "usageCoreNanoSeconds": 1_700_000_000 },
        "memory": {
            "time": time, "availableBytes": 500 * 1024, "usageBytes": 700 * 1024,
            "workingSetBytes": 500 * 1024, "rssBytes": 90 * 1024, "pageFaults": 77,
            "majorPageFaults": 7,
        },
        "io": { "time": time, "psi": {
            "full": { "total": 4, "avg10": 0.0, "avg60": 0.0, "avg300": 0.25 },
            "some": { "total": 9, "avg10": 1.5, "avg60": 0.0, "avg300": 0.0 },
        } },
        "network": {
            "time": time, "name": "eth0", "rxBytes": 7, "rxErrors": 0, "txBytes": 8, "txErrors": 0,
            "interfaces": [
                { "name": "eth1", "rxBytes": 5, "rxErrors": 2, "txBytes": 6, "txErrors": 3 },
                { "name": "eth0", "rxBytes": 7, "rxErrors": 0, "txBytes": 8, "txErrors": 0 },
            ],
        },
        "fs": filesystem(400, 10),
        "runtime": { "imageFs": filesystem(30, 3) },
        "rlimit": { "time": time, "maxpid": 32768, "curproc": 345 },
        "swap": { "time": time, "swapAvailableBytes": 60 * 1024, "swapUsageBytes": 4 * 1024 },
    });
    assert_eq!(serde_json::to_value(node).unwrap(), expected);
}

#[test]
fn the_resource_metrics_have_upstreams_names_and_labels() {
    let summary = Summary {
        node: machine::node(&kernel(), &Around::default(), at(0)),
        pods: vec![build::pod(
            &web(),
            &around(),
            Extent::OnlyCpuAndMemory,
            at(1),
        )],
    };
    let text = resource::text(Some(&summary));
    for line in [
        "# TYPE node_cpu_usage_seconds_total counter",
        "node_cpu_usage_seconds_total 1.7 1700000000000",
        "node_memory_working_set_bytes 512000 1700000000000",
        "container_cpu_usage_seconds_total{container=\"web\",namespace=\"default\",pod=\"web-node\"} 1.5 1700000000000",
        "container_memory_working_set_bytes{container=\"web\",namespace=\"default\",pod=\"web-node\"} 200 1700000000000",
        "container_swap_usage_bytes{container=\"web\",namespace=\"default\",pod=\"web-node\"} 5 1700000000000",
        "container_swap_limit_bytes{container=\"web\",namespace=\"default\",pod=\"web-node\"} 55 1700000000000",
        "container_start_time_seconds{container=\"web\",namespace=\"default\",pod=\"web-node\"} 1699999990",
        "pod_cpu_usage_seconds_total{namespace=\"default\",pod=\"web-node\"} 3 1700000000000",
        "pod_memory_working_set_bytes{namespace=\"default\",pod=\"web-node\"} 200 1700000000000",
        "scrape_error 0",
        "resource_scrape_error 0",
    ] {
        assert!(text.lines().any(|one| one == line), "{line}\n{text}");
    }
    let failed = resource::text(None);
    assert!(failed.contains("\nscrape_error 1\n"), "{failed}");
}

#[test]
fn the_runtimes_metrics_are_shown_with_those_of_the_machine() {
    let machine = cadvisor::Machine {
        cpuinfo: "processor : 0\nphysical id : 0\ncore id : 0\nprocessor : 1\nphysical id : 0\ncore id : 0\n".to_owned(),
        meminfo: "MemTotal: 10 kB\n".to_owned(),
        machine_id: "m".to_owned(),
        system_uuid: "s".to_owned(),
        boot_id: "b".to_owned(),
    };
    let descriptor = cri::MetricDescriptor {
        name: "container_last_seen".to_owned(),
        help: "a \"help\"".to_owned(),
        labels: vec!["id".to_owned(), "name".to_owned()],
    };
    let metric = cri::Metric {
        name: "container_last_seen".to_owned(),
        at: Some(at(0)),
        is_counter: false,
        labels: vec!["/a\"b".to_owned(), "x".to_owned()],
        value: 5,
    };
    let text = cadvisor::text(&machine, &[descriptor], &[metric]);
    for line in [
        "# HELP container_last_seen a \"help\"",
        "# TYPE container_last_seen gauge",
        "container_last_seen{id=\"/a\\\"b\",name=\"x\"} 5 1700000000000",
        "machine_cpu_cores{boot_id=\"b\",machine_id=\"m\",system_uuid=\"s\"} 2",
        "machine_cpu_physical_cores{boot_id=\"b\",machine_id=\"m\",system_uuid=\"s\"} 1",
        "machine_memory_bytes{boot_id=\"b\",machine_id=\"m\",system_uuid=\"s\"} 10240",
        "machine_scrape_error 0",
    ] {
        assert!(text.lines().any(|one| one == line), "{line}\n{text}");
    }
}
