//! Whole specs, held against the snapshots in `golden/`.

use std::path::Path;

use oci_spec::runtime::LinuxDeviceType;
use serde_json::Value;

use super::*;
use crate::model::config::{
    Capabilities, ContainerSecurity, EnvVar, ImageSource, Mount, MountOption, NamespaceMode,
    Namespaces, Propagation, Resources, RunAs, SecurityProfile, SupplementalGroupsPolicy,
    UserNamespace,
};
use crate::model::{ContainerConfig, ContainerId};
use crate::spec::{Accounts, CgroupMode, HostDevice, HostFacts, SandboxFacts, fixture};

struct Case {
    config: ContainerConfig,
    devices: Vec<HostDevice>,
    sandbox: SandboxFacts,
    host: HostFacts,
}

impl Case {
    fn of(config: ContainerConfig) -> Self {
        Self {
            config,
            devices: vec![],
            sandbox: fixture::sandbox(),
            host: fixture::host(),
        }
    }

    fn describe(&self) -> Result<ContainerSpec, SpecError> {
        container_spec(&SpecInput {
            id: &ContainerId::from_random([0xc0; 32]),
            config: &self.config,
            mounts: &self.config.mounts,
            devices: &self.devices,
            device_mounts: &[],
            seccomp_profile: None,
            image: &fixture::image(),
            accounts: &Accounts {
                passwd: "root:x:0:0::/root:/bin/sh\nweb:x:33:33::/srv:/bin/sh\n".to_owned(),
                group: "web:x:33:\nvideo:x:44:web\n".to_owned(),
            },
            sandbox: &self.sandbox,
            host: &self.host,
            rootfs: Path::new("/state/containers/c/rootfs"),
            cgroup_path: "/kubepods/burstable/pod1/c",
        })
    }
}

/// The spec as JSON with the unordered sets sorted and the long filter in short.
fn canonical(spec: &Spec) -> Value {
    let mut value = serde_json::to_value(spec).unwrap();
    if let Some(sets) = value["process"]["capabilities"].as_object_mut() {
        for set in sets.values_mut() {
            let names = set.as_array_mut().unwrap();
            names.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
        }
    }
    if let Some(rules) = value["linux"]["seccomp"]["syscalls"].as_array_mut() {
        for rule in rules {
            let names = rule["names"].as_array().unwrap().len();
            if names > 1 {
                rule["names"] = format!("{names} names").into();
            }
        }
    }
    value
}

fn matches_golden(name: &str, case: &Case) {
    let spec = case.describe().unwrap().spec;
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("golden");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_json_snapshot!(name, canonical(&spec)));
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn a_plain_container() {
    let case = Case::of(ContainerConfig {
        security: ContainerSecurity {
            masked_paths: words("/proc/kcore /proc/keys"),
            readonly_paths: words("/proc/sys /proc/bus"),
            ..Default::default()
        },
        ..Default::default()
    });
    matches_golden("plain", &case);
}

#[test]
fn a_hardened_container() {
    let mut case = Case::of(ContainerConfig {
        args: words("--port 8080"),
        working_dir: "/work".to_owned(),
        envs: vec![EnvVar {
            name: "LANG".to_owned(),
            value: b"C".to_vec(),
        }],
        mounts: vec![
            Mount {
                container_path: "/data".to_owned(),
                host_path: "/pods/1/data".to_owned(),
                ..Default::default()
            },
            Mount {
                container_path: "/etc/hosts".to_owned(),
                host_path: "/pods/1/etc-hosts".to_owned(),
                readonly: true,
                recursive_read_only: true,
                ..Default::default()
            },
        ],
        resources: Resources {
            cpu_period: Some(100_000),
            cpu_quota: Some(50_000),
            cpu_shares: Some(102),
            memory_limit: Some(64 << 20),
            oom_score_adj: -997,
            cpuset_cpus: "0-1".to_owned(),
            unified: [("memory.oom.group".to_owned(), "1".to_owned())].into(),
            ..Default::default()
        },
        security: ContainerSecurity {
            capabilities: Capabilities {
                add: words("NET_BIND_SERVICE"),
                drop: words("ALL"),
                ..Default::default()
            },
            user: RunAs {
                uid: Some(1000),
                gid: Some(2000),
                ..Default::default()
            },
            supplemental_groups: vec![3000],
            supplemental_groups_policy: SupplementalGroupsPolicy::Strict,
            readonly_rootfs: true,
            no_new_privs: true,
            seccomp: SecurityProfile::RuntimeDefault,
            ..Default::default()
        },
        ..Default::default()
    });
    case.host = HostFacts {
        cgroup_mode: CgroupMode::V2,
        oom_score_adj_floor: 0,
        ..fixture::host()
    };
    matches_golden("hardened", &case);
    let described = case.describe().unwrap();
    assert_eq!(
        described.directories,
        ["/work"],
        "the volume /data is mounted over"
    );
    assert_eq!(
        described.notes.len(),
        1,
        "the raised oom_score_adj: {:?}",
        described.notes
    );
    assert_eq!(described.stop_signal, 3);
}

#[test]
fn a_privileged_container_on_the_host() {
    let mut case = Case::of(ContainerConfig {
        command: words("/agent"),
        tty: true,
        mounts: vec![Mount {
            container_path: "/host".to_owned(),
            host_path: "/".to_owned(),
            propagation: Propagation::Bidirectional,
            ..Default::default()
        }],
        security: ContainerSecurity {
            privileged: true,
            namespaces: Namespaces {
                network: NamespaceMode::Node,
                pid: NamespaceMode::Node,
                ipc: NamespaceMode::Node,
                user: None,
            },
            masked_paths: words("/proc/kcore"),
            seccomp: SecurityProfile::RuntimeDefault,
            ..Default::default()
        },
        ..Default::default()
    });
    case.sandbox = SandboxFacts {
        hostname: String::new(),
        hostname_file: None,
        hosts_file: None,
        resolv_conf: None,
        shm_dir: "/dev/shm".into(),
        ..fixture::sandbox()
    };
    case.devices = vec![HostDevice {
        container_path: "/dev/vda".to_owned(),
        kind: LinuxDeviceType::B,
        major: 254,
        minor: 0,
        mode: 0o660,
        uid: 0,
        gid: 6,
        permissions: "rwm".to_owned(),
    }];
    case.host = HostFacts {
        cgroup_mode: CgroupMode::V2,
        ..fixture::host()
    };
    matches_golden("privileged", &case);
}

#[test]
fn a_container_in_a_user_namespace() {
    let namespace = UserNamespace {
        uid: 100_000,
        gid: 200_000,
        length: 65_536,
    };
    let mut case = Case::of(ContainerConfig {
        mounts: vec![
            Mount {
                container_path: "/data".to_owned(),
                host_path: "/pods/1/data".to_owned(),
                mapping: Some(namespace),
                options: vec![MountOption::NoExec],
                propagation: Propagation::HostToContainer,
                ..Default::default()
            },
            Mount {
                container_path: "/model".to_owned(),
                readonly: true,
                image: Some(ImageSource {
                    image: "sha256:model".to_owned(),
                    ..Default::default()
                }),
                ..Default::default()
            },
        ],
        ..Default::default()
    });
    case.sandbox.user_namespace = Some(namespace);
    matches_golden("user_namespace", &case);
}

#[test]
fn what_libcontainer_takes_for_true_is_left_out_when_false() {
    let spec = Case::of(ContainerConfig::default())
        .describe()
        .unwrap()
        .spec;
    let text = serde_json::to_string(&spec).unwrap();
    assert!(!text.contains("noNewPrivileges"));
}

#[test]
fn every_container_has_a_dev_of_its_own_and_a_path() {
    for privileged in [false, true] {
        let security = ContainerSecurity {
            privileged,
            ..Default::default()
        };
        let case = Case::of(ContainerConfig {
            security,
            ..Default::default()
        });
        let spec = case.describe().unwrap().spec;
        let mounts = spec.mounts().as_ref().unwrap();
        let dev = mounts
            .iter()
            .find(|mount| mount.destination() == Path::new("/dev"))
            .unwrap();
        assert_eq!(dev.typ().as_deref(), Some("tmpfs"));
        let env = spec.process().as_ref().unwrap().env().as_ref().unwrap();
        assert!(env.iter().any(|entry| entry.starts_with("PATH=/")));
    }
}

#[test]
fn labels_and_annotations_of_a_request_never_reach_the_spec() {
    let named = |name: &str| [(name.to_owned(), "/bin/evil".to_owned())].into();
    let case = Case::of(ContainerConfig {
        annotations: named("io.kubernetes.cri-o.userns-mode"),
        labels: named("io.containerd.image.evil"),
        ..Default::default()
    });
    let spec = case.describe().unwrap().spec;
    assert!(!serde_json::to_string(&spec).unwrap().contains("evil"));
    assert!(spec.hooks().is_none());
}
