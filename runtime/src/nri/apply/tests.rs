//! Wishes of plugins, and what becomes of a spec and a request.

use serde_json::{Value, json};

use super::*;

fn spec() -> Spec {
    let spec = json!({
        "ociVersion": "1.2.0",
        "process": {
            "user": { "uid": 0, "gid": 0 }, "cwd": "/", "args": ["old"],
            "env": ["PATH=/bin", "A=1"],
            "rlimits": [{ "type": "RLIMIT_NOFILE", "hard": 10, "soft": 10 }],
        },
        "annotations": { "gone": "1", "kept": "2" },
        "mounts": [
            { "destination": "/proc", "type": "proc", "source": "proc" },
            { "destination": "/data", "type": "bind", "source": "/old", "options": ["rbind"] },
        ],
        "linux": {
            "cgroupsPath": "/pod/id",
            "resources": { "devices": [{ "allow": false, "type": "a", "access": "rwm" }] },
            "namespaces": [{ "type": "mount" }, { "type": "network", "path": "/proc/7/ns/net" }],
        },
    });
    serde_json::from_value(spec).unwrap()
}

fn applied(wanted: wire::ContainerAdjustment) -> Result<Value, String> {
    let mut spec = spec();
    let changed = Adjustment(wanted).change_spec(&mut spec);
    let text = |error: AdjustError| crate::lifecycle::error::chain(&error);
    changed.map_err(text)?;
    Ok(serde_json::to_value(spec).unwrap())
}

fn linux(linux: wire::LinuxContainerAdjustment) -> wire::ContainerAdjustment {
    wire::ContainerAdjustment {
        linux: Some(linux),
        ..Default::default()
    }
}

#[test]
fn what_nobody_changes_stays_as_it_is() {
    assert!(Adjustment(wire::ContainerAdjustment::default()).is_empty());
    assert!(Adjustment(linux(wire::LinuxContainerAdjustment::default())).is_empty());
    let before = serde_json::to_value(spec()).unwrap();
    assert_eq!(
        applied(wire::ContainerAdjustment::default()).unwrap(),
        before
    );
    assert_eq!(
        applied(linux(wire::LinuxContainerAdjustment::default())).unwrap()["process"],
        before["process"]
    );
}

#[test]
fn arguments_environment_annotations_and_rlimits_are_set_and_removed() {
    let variable = |key: &str, value: &str| wire::KeyValue {
        key: key.to_owned(),
        value: value.to_owned(),
    };
    let spec = applied(wire::ContainerAdjustment {
        args: vec!["new".to_owned(), "word".to_owned()],
        env: vec![
            variable("A", "2=3"),
            variable("B", ""),
            variable("-PATH", ""),
        ],
        annotations: [("-gone", ""), ("made", "3")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        rlimits: vec![wire::PosixRlimit {
            r#type: "RLIMIT_NOFILE".to_owned(),
            hard: 99,
            soft: 9,
        }],
        ..Default::default()
    })
    .unwrap();
    let process = &spec["process"];
    assert_eq!(process["args"], json!(["new", "word"]));
    assert_eq!(process["env"], json!(["A=2=3", "B="]));
    assert_eq!(
        process["rlimits"],
        json!([{ "type": "RLIMIT_NOFILE", "hard": 99, "soft": 9 }])
    );
    assert_eq!(spec["annotations"], json!({ "kept": "2", "made": "3" }));
}

#[test]
fn a_mount_replaces_another_and_is_of_any_type() {
    let mount = |destination: &str, kind: &str, source: &str, options: &[&str]| wire::Mount {
        destination: destination.to_owned(),
        r#type: kind.to_owned(),
        source: source.to_owned(),
        options: options.iter().map(|&option| option.to_owned()).collect(),
    };
    let with = |mounts| wire::ContainerAdjustment {
        mounts,
        ..Default::default()
    };
    let spec = applied(with(vec![
        mount("/data", "bind", "/new", &["rbind", "ro", "rslave"]),
        mount("/data/tmp", "tmpfs", "tmpfs", &["size=1m"]),
    ]))
    .unwrap();
    assert_eq!(
        spec["mounts"].as_array().unwrap()[1..],
        [
            json!({ "destination": "/data", "type": "bind", "source": "/new", "options": ["rbind", "ro", "rslave"] }),
            json!({ "destination": "/data/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["size=1m"] }),
        ]
    );
    assert_eq!(spec["linux"]["rootfsPropagation"], "slave");
    let spec = applied(with(vec![mount("-/data", "", "", &[])])).unwrap();
    assert_eq!(spec["mounts"].as_array().unwrap().len(), 1);
    for (odd, named) in [
        (mount("/proc/x", "bind", "/a", &[]), "/proc/x"),
        (mount("/dev", "tmpfs", "tmpfs", &[]), "/dev"),
        (mount("-/proc", "", "", &[]), "/proc"),
        (mount("/a", "bind", "relative", &[]), "relative"),
        (mount("/a", "bind", "/a", &["relabel"]), "SELinux"),
    ] {
        let error = applied(with(vec![odd])).unwrap_err();
        assert!(error.contains(named), "{error}");
    }
}

#[test]
fn a_device_gets_its_node_and_its_rule() {
    let device = |path: &str, kind: &str| wire::LinuxDevice {
        path: path.to_owned(),
        r#type: kind.to_owned(),
        major: 10,
        minor: 200,
        ..Default::default()
    };
    let with = |device| {
        linux(wire::LinuxContainerAdjustment {
            devices: vec![device],
            ..Default::default()
        })
    };
    let spec = applied(with(device("/dev/net/tun", "c"))).unwrap();
    let node = &spec["linux"]["devices"][0];
    assert_eq!(
        (&node["path"], &node["major"]),
        (&json!("/dev/net/tun"), &json!(10))
    );
    let rules = spec["linux"]["resources"]["devices"].as_array().unwrap();
    assert_eq!(
        rules[1],
        json!({ "allow": true, "type": "c", "major": 10, "minor": 200, "access": "rwm" })
    );
    assert!(
        applied(with(device("/etc/x", "c")))
            .unwrap_err()
            .contains("/etc/x")
    );
    assert!(
        applied(with(device("/dev/x", "p")))
            .unwrap_err()
            .contains("neither c nor b")
    );
}

#[test]
fn namespaces_sysctls_and_pids_are_set() {
    let namespace = |kind: &str, path: &str| wire::LinuxNamespace {
        r#type: kind.to_owned(),
        path: path.to_owned(),
    };
    let spec = applied(linux(wire::LinuxContainerAdjustment {
        namespaces: vec![namespace("network", "/run/netns/x"), namespace("ipc", "")],
        sysctl: [("net.core.somaxconn".to_owned(), "100".to_owned())].into(),
        resources: Some(wire::LinuxResources {
            pids: Some(wire::LinuxPids { limit: 50 }),
            ..Default::default()
        }),
        ..Default::default()
    }))
    .unwrap();
    assert_eq!(
        spec["linux"]["namespaces"],
        json!([{ "type": "mount" }, { "type": "network", "path": "/run/netns/x" }, { "type": "ipc" }])
    );
    assert_eq!(
        spec["linux"]["sysctl"],
        json!({ "net.core.somaxconn": "100" })
    );
    assert_eq!(spec["linux"]["resources"]["pids"], json!({ "limit": 50 }));
    let sysctl = wire::LinuxContainerAdjustment {
        sysctl: [("kernel.core_pattern".to_owned(), "x".to_owned())].into(),
        ..Default::default()
    };
    assert!(applied(linux(sysctl)).unwrap_err().contains("whole node"));
}

#[test]
fn how_a_process_is_scheduled_and_filtered_is_carried_over() {
    let spec = applied(linux(wire::LinuxContainerAdjustment {
        io_priority: Some(wire::LinuxIoPriority {
            class: wire::IoPrioClass::IoprioClassBe.into(),
            priority: 3,
        }),
        scheduler: Some(wire::LinuxScheduler {
            policy: wire::LinuxSchedulerPolicy::SchedBatch.into(),
            nice: 5,
            flags: vec![wire::LinuxSchedulerFlag::SchedFlagResetOnFork.into()],
            ..Default::default()
        }),
        memory_policy: Some(wire::LinuxMemoryPolicy {
            mode: wire::MpolMode::MpolBind.into(),
            nodes: "0".to_owned(),
            flags: vec![wire::MpolFlag::MpolFStaticNodes.into()],
        }),
        seccomp_policy: Some(wire::LinuxSeccomp {
            default_action: "SCMP_ACT_ALLOW".to_owned(),
            syscalls: vec![wire::LinuxSyscall {
                names: vec!["mkdir".to_owned()],
                action: "SCMP_ACT_ERRNO".to_owned(),
                errno_ret: Some(wire::OptionalUInt32 { value: 38 }),
                args: Vec::new(),
            }],
            ..Default::default()
        }),
        ..Default::default()
    }))
    .unwrap();
    let (process, linux_part) = (&spec["process"], &spec["linux"]);
    assert_eq!(process["ioPriority"]["class"], "IOPRIO_CLASS_BE");
    assert_eq!(process["scheduler"]["policy"], "SCHED_BATCH");
    assert_eq!(linux_part["memoryPolicy"]["mode"], "MPOL_BIND");
    assert_eq!(linux_part["seccomp"]["syscalls"][0]["errnoRet"], 38);
    let odd = wire::LinuxContainerAdjustment {
        seccomp_policy: Some(wire::LinuxSeccomp {
            default_action: "SCMP_ACT_SHRUG".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    assert!(applied(linux(odd)).unwrap_err().contains("SCMP_ACT_SHRUG"));
}

#[test]
fn what_is_not_carried_out_is_refused_by_name() {
    let hooks = wire::ContainerAdjustment {
        hooks: Some(wire::Hooks {
            prestart: vec![wire::Hook::default()],
            ..Default::default()
        }),
        ..Default::default()
    };
    assert!(applied(hooks).unwrap_err().contains("hooks are not run"));
    let path = |path: &str| wire::LinuxContainerAdjustment {
        cgroups_path: path.to_owned(),
        ..Default::default()
    };
    assert!(applied(linux(path("/pod/id"))).is_ok());
    assert!(
        applied(linux(path("/else")))
            .unwrap_err()
            .contains("cgroups_path")
    );
    let rdt = wire::LinuxContainerAdjustment {
        rdt: Some(wire::LinuxRdt {
            clos_id: Some(wire::OptionalString {
                value: "gold".to_owned(),
            }),
            ..Default::default()
        }),
        ..Default::default()
    };
    assert!(applied(linux(rdt)).unwrap_err().contains("RDT"));
    let user = wire::LinuxContainerAdjustment {
        namespaces: vec![wire::LinuxNamespace {
            r#type: "user".to_owned(),
            path: String::new(),
        }],
        ..Default::default()
    };
    assert!(applied(linux(user)).unwrap_err().contains("user namespace"));
}

#[test]
fn limits_go_into_the_request() {
    let memory = |value| Some(wire::OptionalInt64 { value });
    let resources = wire::LinuxResources {
        memory: Some(wire::LinuxMemory {
            limit: memory(1 << 30),
            ..Default::default()
        }),
        cpu: Some(wire::LinuxCpu {
            shares: Some(wire::OptionalUInt64 { value: 0 }),
            cpus: "0-1".to_owned(),
            ..Default::default()
        }),
        unified: [("memory.high".to_owned(), "5".to_owned())].into(),
        ..Default::default()
    };
    let mut config = ContainerConfig::default();
    config.resources.cpu_shares = Some(512);
    config.resources.memory_swap_limit = Some(7);
    let wanted = Adjustment(wire::ContainerAdjustment {
        cdi_devices: vec![wire::CdiDevice {
            name: "vendor.com/gpu=0".to_owned(),
        }],
        ..linux(wire::LinuxContainerAdjustment {
            resources: Some(resources),
            oom_score_adj: Some(wire::OptionalInt { value: 500 }),
            ..Default::default()
        })
    });
    wanted.change_request(&mut config).unwrap();
    let limits = &config.resources;
    assert_eq!(
        (
            limits.memory_limit,
            limits.memory_swap_limit,
            limits.cpu_shares,
            limits.oom_score_adj
        ),
        (Some(1 << 30), None, Some(512), 500)
    );
    assert_eq!(
        (
            limits.cpuset_cpus.as_str(),
            limits.unified["memory.high"].as_str()
        ),
        ("0-1", "5")
    );
    assert_eq!(config.cdi_devices, ["vendor.com/gpu=0"]);
}

#[test]
fn limits_that_nobody_can_set_are_refused_by_name() {
    let kernel = wire::LinuxResources {
        memory: Some(wire::LinuxMemory {
            kernel: Some(wire::OptionalInt64 { value: 1 }),
            ..Default::default()
        }),
        ..Default::default()
    };
    let class = wire::LinuxResources {
        blockio_class: Some(wire::OptionalString {
            value: "slow".to_owned(),
        }),
        ..Default::default()
    };
    let pids = wire::LinuxResources {
        pids: Some(wire::LinuxPids { limit: 1 }),
        ..Default::default()
    };
    for (wanted, named) in [
        (kernel, "memory.kernel"),
        (class, "blockio_class"),
        (pids, "pids"),
    ] {
        let error = limits(&wanted).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
}
