//! What a container gets with its devices, and the CPUs it runs on: pure.

#![deny(clippy::disallowed_methods)]

use crate::cri::{ContainerConfig, Device, EnvVar, Mount, MountPropagation};
use crate::device::Grant;
use crate::pinning::{Pinned, Quota};

/// A container on the CPUs that it shall run on.
pub(super) fn on_cpus(mut config: ContainerConfig, pinned: Pinned) -> ContainerConfig {
    let resources = &mut config.resources;
    resources.cpuset_cpus = pinned.cpus;
    resources.cpuset_mems = pinned.mems;
    // Without a period time is not limited at all.
    if pinned.quota == Quota::Off && resources.cpu_period != 0 {
        resources.cpu_quota = -1;
    }
    config
}

/// A container with what plugins gave it; where both say something, the pod counts.
pub(super) fn with_devices(config: ContainerConfig, grant: Grant) -> ContainerConfig {
    let envs = grant.envs.into_iter();
    let mut env: Vec<_> = envs
        .map(|(name, value)| EnvVar { name, value })
        .filter(|own| config.env.iter().all(|other| other.name != own.name))
        .collect();
    env.extend(config.env);
    let mounts = grant.mounts.into_iter();
    let mut mounts: Vec<_> = mounts
        .map(|mount| Mount {
            container_path: mount.container_path,
            host_path: mount.host_path,
            read_only: mount.read_only,
            recursive_read_only: false,
            selinux_relabel: false,
            propagation: MountPropagation::Private,
            image: None,
        })
        .collect();
    mounts.extend(config.mounts);
    let granted = grant.devices.into_iter().map(|device| Device {
        container_path: device.container_path,
        host_path: device.host_path,
        permissions: device.permissions,
    });
    let mut devices = config.devices;
    devices.extend(granted);
    let mut annotations = grant.annotations;
    annotations.extend(config.annotations);
    ContainerConfig {
        env,
        mounts,
        devices,
        cdi_devices: grant.cdi,
        annotations,
        ..config
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{GrantedDevice, GrantedMount};

    fn variable(name: &str, value: &str) -> EnvVar {
        EnvVar {
            name: name.to_owned(),
            value: value.to_owned(),
        }
    }

    #[test]
    fn what_a_pod_says_itself_counts_before_what_plugins_say() {
        let words = |rows: &[(&str, &str)]| {
            let rows = rows.iter();
            rows.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect()
        };
        let grant = Grant {
            envs: words(&[("A", "plugin"), ("B", "plugin")]),
            mounts: vec![GrantedMount {
                container_path: "/toys".to_owned(),
                host_path: "/opt/toys".to_owned(),
                read_only: true,
            }],
            devices: vec![GrantedDevice {
                container_path: "/dev/toy".to_owned(),
                host_path: "/dev/null".to_owned(),
                permissions: "rw".to_owned(),
            }],
            annotations: words(&[("x", "plugin"), ("y", "plugin")]),
            cdi: vec!["example.com/toy=0".to_owned()],
        };
        let config = ContainerConfig {
            env: vec![variable("A", "pod")],
            annotations: words(&[("x", "pod")]),
            ..ContainerConfig::default()
        };
        let config = with_devices(config, grant);
        assert_eq!(config.env, [variable("B", "plugin"), variable("A", "pod")]);
        assert_eq!(config.mounts.len(), 1);
        assert_eq!(config.mounts[0].host_path, "/opt/toys");
        assert_eq!(config.devices[0].host_path, "/dev/null");
        assert_eq!(config.annotations, words(&[("x", "pod"), ("y", "plugin")]));
        assert_eq!(config.cdi_devices, ["example.com/toy=0"]);
    }

    #[test]
    fn a_container_with_cpus_of_its_own_has_all_the_time_on_them() {
        let limited = || {
            let mut config = ContainerConfig::default();
            (config.resources.cpu_quota, config.resources.cpu_period) = (50_000, 100_000);
            config
        };
        let on = |cpus: &str, quota| {
            let cpus = cpus.to_owned();
            let mems = "0".to_owned();
            on_cpus(limited(), Pinned { cpus, mems, quota }).resources
        };
        let own = on("3", Quota::Off);
        assert_eq!((own.cpuset_cpus.as_str(), own.cpu_quota), ("3", -1));
        assert_eq!(own.cpuset_mems, "0");
        let shared = on("0-2", Quota::Limited);
        assert_eq!(
            (shared.cpuset_cpus.as_str(), shared.cpu_quota),
            ("0-2", 50_000)
        );
        let mut config = limited();
        (config.resources.cpu_quota, config.resources.cpu_period) = (0, 0);
        let cpus = "3".to_owned();
        let unlimited = on_cpus(
            config,
            Pinned {
                cpus,
                mems: String::new(),
                quota: Quota::Off,
            },
        );
        assert_eq!(
            unlimited.resources.cpu_quota, 0,
            "no time is limited on this node"
        );
    }
}
