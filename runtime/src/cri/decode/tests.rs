//! Tests of decoding: what is refused, and by which name.

use std::collections::BTreeMap;

use podling_proto::runtime::v1 as cri;

use super::*;
use crate::model::config::{NamespaceMode, SecurityProfile};

fn sandbox() -> cri::PodSandboxConfig {
    cri::PodSandboxConfig {
        metadata: Some(cri::PodSandboxMetadata {
            name: "web".into(),
            uid: "u1".into(),
            namespace: "default".into(),
            attempt: 2,
        }),
        linux: Some(cri::LinuxPodSandboxConfig::default()),
        ..Default::default()
    }
}

fn container() -> cri::ContainerConfig {
    cri::ContainerConfig {
        metadata: Some(cri::ContainerMetadata {
            name: "app".into(),
            attempt: 0,
        }),
        image: Some(cri::ImageSpec {
            image: "busybox".into(),
            ..Default::default()
        }),
        linux: Some(cri::LinuxContainerConfig {
            resources: Some(cri::LinuxContainerResources::default()),
            security_context: Some(cri::LinuxContainerSecurityContext::default()),
        }),
        ..Default::default()
    }
}

fn context(container: &mut cri::ContainerConfig) -> &mut cri::LinuxContainerSecurityContext {
    container
        .linux
        .as_mut()
        .unwrap()
        .security_context
        .as_mut()
        .unwrap()
}

/// One row: what is done to a good request, and what the refusal must say.
type Row<T> = (&'static str, fn(&mut T), &'static str);

#[test]
fn a_sandbox_that_cannot_be_made_as_asked_is_refused_by_name() {
    let rows: [Row<cri::PodSandboxConfig>; 7] = [
        (
            "no metadata",
            |c| c.metadata = None,
            "config.metadata is missing",
        ),
        (
            "log path climbs",
            |c| c.log_directory = "/var/../etc".into(),
            "config.log_directory",
        ),
        (
            "log path relative",
            |c| c.log_directory = "logs".into(),
            "config.log_directory",
        ),
        (
            "windows",
            |c| c.windows = Some(cri::WindowsPodSandboxConfig::default()),
            "config.windows",
        ),
        (
            "cgroup parent relative",
            |c| c.linux.as_mut().unwrap().cgroup_parent = "kubepods/pod1".into(),
            "config.linux.cgroup_parent",
        ),
        (
            "protocol",
            |c| {
                c.port_mappings = vec![cri::PortMapping {
                    protocol: 9,
                    ..Default::default()
                }]
            },
            "port_mappings[].protocol",
        ),
        (
            "host port",
            |c| {
                c.port_mappings = vec![cri::PortMapping {
                    host_port: 65536,
                    ..Default::default()
                }]
            },
            "port_mappings[].host_port",
        ),
    ];
    for (name, spoil, says) in rows {
        let mut config = sandbox();
        spoil(&mut config);
        let refusal = sandbox_config(Some(config), String::new())
            .unwrap_err()
            .to_string();
        assert!(refusal.contains(says), "{name}: {refusal}");
    }
}

#[test]
fn a_container_that_cannot_be_made_as_asked_is_refused_by_name() {
    let rows: [Row<cri::ContainerConfig>; 8] = [
        ("no image", |c| c.image = None, "config.image is missing"),
        (
            "log path climbs",
            |c| c.log_path = "../x.log".into(),
            "config.log_path",
        ),
        ("signal", |c| c.stop_signal = 99, "stop_signal"),
        (
            "uid beyond 31 bits",
            |c| context(c).run_as_user = Some(cri::Int64Value { value: 1 << 31 }),
            "run_as_user",
        ),
        (
            "group alone",
            |c| context(c).run_as_group = Some(cri::Int64Value { value: 1 }),
            "run_as_user or run_as_username",
        ),
        (
            "empty localhost profile",
            |c| {
                let profile = cri::SecurityProfile {
                    profile_type: 2,
                    ..Default::default()
                };
                context(c).seccomp = Some(profile);
            },
            "needs a reference",
        ),
        (
            "user namespace of a pod with the host's processes",
            |c| {
                let ids = vec![cri::IdMapping {
                    host_id: 1000,
                    container_id: 0,
                    length: 65_536,
                }];
                let user = cri::UserNamespace {
                    mode: cri::NamespaceMode::Pod.into(),
                    uids: ids.clone(),
                    gids: ids,
                };
                context(c).namespace_options = Some(cri::NamespaceOption {
                    pid: cri::NamespaceMode::Node.into(),
                    userns_options: Some(user),
                    ..Default::default()
                });
            },
            "cannot use the host's pid",
        ),
        (
            "policy",
            |c| context(c).supplemental_groups_policy = 7,
            "supplemental_groups_policy",
        ),
    ];
    for (name, spoil, says) in rows {
        let mut config = container();
        spoil(&mut config);
        let refusal = container_config(Some(config)).unwrap_err().to_string();
        assert!(refusal.contains(says), "{name}: {refusal}");
    }
}

#[test]
fn labels_annotations_and_attempt_are_kept_exactly() {
    let labels = BTreeMap::from([("a".to_owned(), "ü\n".to_owned())]);
    let config = cri::PodSandboxConfig {
        labels: labels.clone(),
        ..sandbox()
    };
    let decoded = sandbox_config(Some(config), String::new()).unwrap();
    assert_eq!(decoded.labels, labels);
    assert_eq!(decoded.metadata.attempt, 2);
}

#[test]
fn zero_resources_are_resources_not_given() {
    let decoded = container_config(Some(container())).unwrap();
    assert_eq!(
        decoded.resources,
        crate::model::config::Resources::default()
    );
}

#[test]
fn the_new_profile_field_wins_over_the_deprecated_one() {
    let mut config = container();
    context(&mut config).seccomp_profile_path = "unconfined".into();
    context(&mut config).seccomp = Some(cri::SecurityProfile::default());
    let decoded = container_config(Some(config)).unwrap();
    assert_eq!(decoded.security.seccomp, SecurityProfile::RuntimeDefault);
}

#[test]
fn a_target_namespace_names_its_container() {
    let mut config = container();
    context(&mut config).namespace_options = Some(cri::NamespaceOption {
        pid: cri::NamespaceMode::Target.into(),
        target_id: "abc".into(),
        ..Default::default()
    });
    let decoded = container_config(Some(config)).unwrap();
    assert_eq!(
        decoded.security.namespaces.pid,
        NamespaceMode::Target("abc".into())
    );
}
