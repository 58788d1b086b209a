//! Which namespaces a container joins, and which are its own.

use oci_spec::runtime::{LinuxNamespace, LinuxNamespaceBuilder, LinuxNamespaceType};

use super::{CgroupMode, HostFacts, SandboxFacts, SpecError};
use crate::model::config::{ContainerSecurity, NamespaceMode};

/// The namespaces of a container. What is not listed is the launching process's own: the host's.
pub(super) fn namespaces(
    security: &ContainerSecurity,
    sandbox: &SandboxFacts,
    host: &HostFacts,
) -> Result<Vec<LinuxNamespace>, SpecError> {
    let asked = &security.namespaces;
    let mut list = vec![own(LinuxNamespaceType::Mount)];
    if sandbox.user_namespace.is_some() {
        list.push(joined(LinuxNamespaceType::User, sandbox.pause_pid));
    }
    if is_pods("network", &asked.network)? {
        list.push(joined(LinuxNamespaceType::Network, sandbox.pause_pid));
        // The hostname belongs to the network, so the UTS namespace goes with it.
        list.push(joined(LinuxNamespaceType::Uts, sandbox.pause_pid));
    }
    if is_pods("ipc", &asked.ipc)? {
        list.push(joined(LinuxNamespaceType::Ipc, sandbox.pause_pid));
    }
    list.extend(pid(&asked.pid, sandbox)?);
    // Without it a container on the unified hierarchy would see the host's cgroup paths.
    if host.cgroup_mode == CgroupMode::V2 && !security.privileged {
        list.push(own(LinuxNamespaceType::Cgroup));
    }
    Ok(list)
}

fn pid(mode: &NamespaceMode, sandbox: &SandboxFacts) -> Result<Option<LinuxNamespace>, SpecError> {
    let kind = LinuxNamespaceType::Pid;
    match mode {
        NamespaceMode::Pod => Ok(Some(joined(kind, sandbox.pause_pid))),
        NamespaceMode::Container => Ok(Some(own(kind))),
        NamespaceMode::Node => Ok(None),
        NamespaceMode::Target(_) => {
            let pid = sandbox.target_pid.ok_or(SpecError::NoTarget)?;
            Ok(Some(joined(kind, pid)))
        }
    }
}

fn is_pods(name: &'static str, mode: &NamespaceMode) -> Result<bool, SpecError> {
    match mode {
        NamespaceMode::Pod => Ok(true),
        NamespaceMode::Node => Ok(false),
        NamespaceMode::Container => Err(SpecError::NamespaceMode(name, "CONTAINER")),
        NamespaceMode::Target(_) => Err(SpecError::NamespaceMode(name, "TARGET")),
    }
}

fn own(kind: LinuxNamespaceType) -> LinuxNamespace {
    let builder = LinuxNamespaceBuilder::default().typ(kind);
    builder.build().expect("every field has a default")
}

fn joined(kind: LinuxNamespaceType, pid: i32) -> LinuxNamespace {
    let file = match kind {
        LinuxNamespaceType::Network => "net",
        LinuxNamespaceType::Uts => "uts",
        LinuxNamespaceType::Ipc => "ipc",
        LinuxNamespaceType::Pid => "pid",
        LinuxNamespaceType::Mount => "mnt",
        LinuxNamespaceType::Cgroup => "cgroup",
        LinuxNamespaceType::User => "user",
        LinuxNamespaceType::Time => "time",
    };
    LinuxNamespaceBuilder::default()
        .typ(kind)
        .path(format!("/proc/{pid}/ns/{file}"))
        .build()
        .expect("every field has a default")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::model::config::{Namespaces, UserNamespace};
    use crate::spec::fixture;

    fn run(asked: Namespaces, mode: CgroupMode) -> Result<String, SpecError> {
        let security = ContainerSecurity {
            namespaces: asked,
            ..Default::default()
        };
        let sandbox = SandboxFacts {
            target_pid: Some(9),
            ..fixture::sandbox()
        };
        let host = HostFacts {
            cgroup_mode: mode,
            ..fixture::host()
        };
        let line = |namespace: &LinuxNamespace| match namespace.path() {
            Some(path) => path.display().to_string(),
            None => namespace.typ().to_string(),
        };
        let list = namespaces(&security, &sandbox, &host)?;
        Ok(list.iter().map(line).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn every_mode_has_its_namespaces() {
        use NamespaceMode::{Container, Node, Pod, Target};
        let target = || Target("a".to_owned());
        let pods = "/proc/7/ns/net /proc/7/ns/uts /proc/7/ns/ipc";
        for (network, pid, ipc, expected) in [
            (Pod, Pod, Pod, format!("mnt {pods} /proc/7/ns/pid")),
            (Pod, Container, Pod, format!("mnt {pods} pid")),
            (Pod, Node, Pod, format!("mnt {pods}")),
            (Pod, target(), Pod, format!("mnt {pods} /proc/9/ns/pid")),
            (Node, Container, Node, "mnt pid".to_owned()),
        ] {
            let got = run(
                Namespaces {
                    network,
                    pid,
                    ipc,
                    user: None,
                },
                CgroupMode::V1,
            );
            assert_eq!(got.unwrap(), expected);
        }
    }

    #[test]
    fn the_user_namespace_of_the_pod_is_joined() {
        let sandbox = SandboxFacts {
            user_namespace: Some(UserNamespace {
                uid: 1000,
                gid: 1000,
                length: 65_536,
            }),
            ..fixture::sandbox()
        };
        let list = namespaces(&ContainerSecurity::default(), &sandbox, &fixture::host()).unwrap();
        let path = Path::new("/proc/7/ns/user");
        assert!(list.iter().any(|one| one.path().as_deref() == Some(path)));
    }

    #[test]
    fn the_unified_hierarchy_is_seen_through_a_namespace_unless_privileged() {
        assert!(
            run(Namespaces::default(), CgroupMode::V2)
                .unwrap()
                .ends_with(" cgroup")
        );
        let security = ContainerSecurity {
            privileged: true,
            ..Default::default()
        };
        let host = HostFacts {
            cgroup_mode: CgroupMode::V2,
            ..fixture::host()
        };
        let list = namespaces(&security, &fixture::sandbox(), &host).unwrap();
        assert!(
            list.iter()
                .all(|namespace| namespace.typ() != LinuxNamespaceType::Cgroup)
        );
    }

    #[test]
    fn a_network_of_a_container_s_own_and_a_missing_target_are_refused() {
        let network = Namespaces {
            network: NamespaceMode::Container,
            ..Default::default()
        };
        assert!(matches!(
            run(network, CgroupMode::V1),
            Err(SpecError::NamespaceMode(..))
        ));
        let security = ContainerSecurity {
            namespaces: Namespaces {
                pid: NamespaceMode::Target("a".to_owned()),
                ..Default::default()
            },
            ..Default::default()
        };
        let got = namespaces(&security, &fixture::sandbox(), &fixture::host());
        assert!(matches!(got, Err(SpecError::NoTarget)));
    }
}
