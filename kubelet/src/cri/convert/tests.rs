//! Tables of what goes over the wire and what comes back.

use podling_proto::runtime::v1;

use super::*;
use crate::cri::{
    ContainerConfig, ContainerPhase, Device, EnvVar, ImageMount, ImageReference, Mount,
    MountPropagation, PortMapping, Resources, SandboxConfig, Scope,
};
use crate::model::{ContainerState, Protocol, SandboxState};

fn container_status(state: i32) -> v1::ContainerStatus {
    v1::ContainerStatus {
        id: "c1".to_owned(),
        metadata: Some(v1::ContainerMetadata {
            name: "web".to_owned(),
            attempt: 2,
        }),
        state,
        created_at: 1_000_000_000,
        started_at: 2_000_000_000,
        finished_at: 3_000_000_000,
        exit_code: 7,
        reason: "Error".to_owned(),
        ..v1::ContainerStatus::default()
    }
}

fn sandbox_status() -> v1::PodSandboxStatus {
    v1::PodSandboxStatus {
        id: "s1".to_owned(),
        metadata: Some(v1::PodSandboxMetadata {
            uid: "u".to_owned(),
            ..Default::default()
        }),
        ..v1::PodSandboxStatus::default()
    }
}

#[test]
fn every_state_of_a_container_is_known_and_no_other() {
    let rows = [
        (0, Some(ContainerPhase::Created)),
        (1, Some(ContainerPhase::Running)),
        (2, Some(ContainerPhase::Exited)),
        (3, Some(ContainerPhase::Unknown)),
        (4, None),
        (-1, None),
    ];
    for (state, expected) in rows {
        let listed = v1::Container {
            metadata: Some(v1::ContainerMetadata::default()),
            state,
            ..v1::Container::default()
        };
        let phase = container_from_wire(listed).map(|container| container.phase);
        let unknown = ConvertError::UnknownValue {
            field: "Container.state",
            value: state,
        };
        assert_eq!(phase, expected.ok_or(unknown));
    }
}

#[test]
fn an_exited_container_keeps_its_times_and_code() {
    let status = container_status_from_wire(container_status(2)).unwrap();
    let ContainerState::Exited(exit) = status.state else {
        panic!("{:?}", status.state)
    };
    assert_eq!((exit.code, exit.reason.as_str()), (7, "Error"));
    assert_eq!(exit.started_at.map(|time| time.as_second()), Some(2));
    assert_eq!(exit.finished_at.as_second(), 3);
}

#[test]
fn a_container_that_never_started_ended_when_it_was_made() {
    let wire = v1::ContainerStatus {
        started_at: 0,
        finished_at: 0,
        ..container_status(2)
    };
    let status = container_status_from_wire(wire).unwrap();
    let ContainerState::Exited(exit) = status.state else {
        panic!("{:?}", status.state)
    };
    assert_eq!(exit.started_at, None);
    assert_eq!(exit.finished_at.as_second(), 1);
}

#[test]
fn what_must_be_there_is_missed() {
    let wire = v1::ContainerStatus {
        metadata: None,
        ..container_status(1)
    };
    let missing = ConvertError::Missing("Container.metadata");
    assert_eq!(container_status_from_wire(wire), Err(missing));
}

#[test]
fn every_state_of_a_sandbox_is_known_and_no_other() {
    let state = |state| {
        let wire = v1::PodSandboxStatus {
            state,
            ..sandbox_status()
        };
        sandbox_status_from_wire(wire).map(|status| status.sandbox.state)
    };
    assert_eq!(state(0), Ok(SandboxState::Ready));
    assert_eq!(state(1), Ok(SandboxState::NotReady));
    assert!(state(2).is_err());
}

#[test]
fn addresses_are_read_in_order_and_empty_ones_left_out() {
    let with = |ip: &str, more: &[&str]| v1::PodSandboxStatus {
        network: Some(v1::PodSandboxNetworkStatus {
            ip: ip.to_owned(),
            additional_ips: more
                .iter()
                .map(|ip| v1::PodIp {
                    ip: (*ip).to_owned(),
                })
                .collect(),
        }),
        ..sandbox_status()
    };
    let ips = |wire| {
        let status = sandbox_status_from_wire(wire)?;
        Ok(status
            .ips
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>())
    };
    assert_eq!(ips(sandbox_status()), Ok(vec![]));
    assert_eq!(ips(with("", &[])), Ok(vec![]));
    assert_eq!(
        ips(with("10.0.0.2", &["fd00::2"])),
        Ok(vec!["10.0.0.2".into(), "fd00::2".into()])
    );
    let nonsense = ConvertError::NotAnAddress {
        field: "PodSandboxNetworkStatus.ip",
        text: "10.0.0".to_owned(),
    };
    assert_eq!(ips(with("10.0.0", &[])), Err(nonsense));
}

#[test]
fn a_sandbox_without_namespace_options_has_a_network_of_its_own() {
    let network = |options| {
        let wire = v1::PodSandboxStatus {
            linux: Some(v1::LinuxPodSandboxStatus {
                namespaces: Some(v1::Namespace { options }),
            }),
            ..sandbox_status()
        };
        sandbox_status_from_wire(wire).map(|status| status.network)
    };
    let option = |network| {
        Some(v1::NamespaceOption {
            network,
            ..Default::default()
        })
    };
    assert_eq!(network(None), Ok(NamespaceMode::Pod));
    assert_eq!(network(option(0)), Ok(NamespaceMode::Pod));
    assert_eq!(network(option(2)), Ok(NamespaceMode::Node));
    assert!(network(option(9)).is_err());
}

#[test]
fn a_sandbox_goes_over_the_wire_whole() {
    let wire = sandbox_to_wire(SandboxConfig {
        hostname: "web".to_owned(),
        cgroup_parent: "/kubepods/podu".to_owned(),
        namespaces: Namespaces {
            network: NamespaceMode::Node,
            ..Namespaces::default()
        },
        port_mappings: vec![PortMapping {
            protocol: Protocol::Udp,
            container_port: 53,
            host_port: 5353,
            host_ip: Some([127, 0, 0, 1].into()),
        }],
        seccomp: Some(SeccompProfile::RuntimeDefault),
        ..SandboxConfig::default()
    });
    assert_eq!(wire.hostname, "web");
    let port = &wire.port_mappings[0];
    assert_eq!(
        (port.protocol, port.container_port, port.host_port),
        (1, 53, 5353)
    );
    assert_eq!(port.host_ip, "127.0.0.1");
    let linux = wire.linux.unwrap();
    assert_eq!(linux.cgroup_parent, "/kubepods/podu");
    let security = linux.security_context.unwrap();
    assert_eq!(
        security.namespace_options.unwrap().network,
        v1::NamespaceMode::Node as i32
    );
    assert_eq!(security.seccomp.unwrap().profile_type, 0);
}

#[test]
fn a_container_goes_over_the_wire_whole() {
    let config = ContainerConfig {
        env: vec![EnvVar {
            name: "A".to_owned(),
            value: "ä".to_owned(),
        }],
        mounts: vec![Mount {
            container_path: "/data".to_owned(),
            host_path: "/srv".to_owned(),
            read_only: true,
            recursive_read_only: true,
            selinux_relabel: true,
            propagation: MountPropagation::HostToContainer,
            image: Some(ImageMount {
                image: ImageReference::as_written("files:1"),
                sub_path: "etc".to_owned(),
            }),
        }],
        devices: vec![Device {
            container_path: "/dev/toy".to_owned(),
            host_path: "/dev/null".to_owned(),
            permissions: "rw".to_owned(),
        }],
        cdi_devices: vec!["example.com/toy=0".to_owned()],
        resources: Resources {
            cpuset_cpus: "1-2".to_owned(),
            cpuset_mems: "0".to_owned(),
            ..Resources::default()
        },
        ..ContainerConfig::default()
    };
    let wire = container_to_wire(config);
    assert_eq!(wire.devices[0].host_path, "/dev/null");
    assert_eq!(wire.devices[0].container_path, "/dev/toy");
    assert_eq!(wire.devices[0].permissions, "rw");
    assert_eq!(wire.cdi_devices[0].name, "example.com/toy=0");
    assert_eq!(wire.envs[0].value, "ä".as_bytes());
    let mount = &wire.mounts[0];
    assert!(mount.readonly && mount.recursive_read_only && mount.selinux_relabel);
    assert_eq!(mount.propagation, 1);
    assert_eq!(mount.image.as_ref().unwrap().image, "files:1");
    assert_eq!(mount.image_sub_path, "etc");
    let linux = wire.linux.unwrap();
    let resources = linux.resources.unwrap();
    assert_eq!(resources.cpuset_cpus, "1-2");
    assert_eq!(resources.cpuset_mems, "0");
    let security = linux.security_context.unwrap();
    assert_eq!(
        security.seccomp.unwrap().profile_type,
        1,
        "unconfined unless the pod says more"
    );
}

#[test]
fn a_target_container_is_named() {
    let namespaces = Namespaces {
        pid: NamespaceMode::Target("c9".to_owned()),
        ..Namespaces::default()
    };
    let wire = namespaces_to_wire(&namespaces);
    assert_eq!((wire.pid, wire.target_id.as_str()), (3, "c9"));
}

#[test]
fn an_event_says_whose_it_is_when_the_runtime_did() {
    let event = |status| {
        event_from_wire(v1::ContainerEventResponse {
            container_id: "c1".to_owned(),
            pod_sandbox_status: status,
            ..v1::ContainerEventResponse::default()
        })
    };
    assert_eq!(event(Some(sandbox_status())).pod_uid, Some("u".into()));
    assert_eq!(event(None).pod_uid, None);
    assert_eq!(event(Some(v1::PodSandboxStatus::default())).pod_uid, None);
}

#[test]
fn a_scope_is_a_selector_of_labels() {
    assert!(selector(&Scope::All).is_empty());
    let pod = selector(&Scope::Pod("u".into()));
    assert_eq!(
        pod.get("io.kubernetes.pod.uid").map(String::as_str),
        Some("u")
    );
}

#[test]
fn a_condition_says_why_it_does_not_hold() {
    let condition = condition_from_wire(v1::RuntimeCondition {
        r#type: "NetworkReady".to_owned(),
        status: false,
        reason: "NetworkPluginNotReady".to_owned(),
        message: "no network".to_owned(),
    });
    assert_eq!(
        condition.to_string(),
        "NetworkReady=false reason:NetworkPluginNotReady message:no network"
    );
}

#[test]
fn what_a_runtime_can_is_read_by_handler() {
    let features = features_from_wire(v1::StatusResponse {
        runtime_handlers: vec![v1::RuntimeHandler {
            name: "vm".to_owned(),
            features: Some(v1::RuntimeHandlerFeatures {
                recursive_read_only_mounts: true,
                user_namespaces: false,
            }),
        }],
        ..v1::StatusResponse::default()
    });
    assert!(features.handler("vm").recursive_read_only);
    assert!(!features.handler("vm").user_namespaces);
    assert!(!features.handler("").recursive_read_only);
    assert!(!features.supplemental_groups_policy);
}

#[test]
fn who_a_container_runs_as_and_what_it_may_not_write_at_all_are_told() {
    let wire = v1::ContainerStatus {
        user: Some(v1::ContainerUser {
            linux: Some(v1::LinuxContainerUser {
                uid: 5,
                gid: 6,
                supplemental_groups: vec![7],
            }),
        }),
        mounts: ["/a", "/b"]
            .map(|path| v1::Mount {
                container_path: path.to_owned(),
                recursive_read_only: path == "/b",
                ..v1::Mount::default()
            })
            .to_vec(),
        ..container_status(1)
    };
    let told = container_status_from_wire(wire).unwrap().told;
    let user = told.user.unwrap();
    assert_eq!(
        (user.uid, user.gid, user.supplemental_groups),
        (5, 6, vec![7])
    );
    assert_eq!(told.recursive_read_only, ["/b"]);
}

#[test]
fn profiles_of_app_armor_go_over_the_wire_in_both_of_their_forms() {
    use v1::security_profile::ProfileType;
    let local = AppArmorProfile::Localhost("mine".to_owned());
    for (profile, kind, name, word) in [
        (
            AppArmorProfile::RuntimeDefault,
            ProfileType::RuntimeDefault,
            "",
            "runtime/default",
        ),
        (
            AppArmorProfile::Unconfined,
            ProfileType::Unconfined,
            "",
            "unconfined",
        ),
        (local, ProfileType::Localhost, "mine", "localhost/mine"),
    ] {
        assert_eq!(app_armor_name(Some(&profile)), word);
        let told = app_armor_to_wire(profile);
        assert_eq!(told.profile_type(), kind);
        assert_eq!(told.localhost_ref, name);
    }
    assert_eq!(app_armor_name(None), "");
}
