//! What a container gets with its devices: pure.

#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;

/// What a container gets with its devices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// Variables of its environment.
    pub envs: BTreeMap<String, String>,
    /// What it sees of the host.
    pub mounts: Vec<GrantedMount>,
    /// Devices of the host.
    pub devices: Vec<GrantedDevice>,
    /// Annotations for the runtime.
    pub annotations: BTreeMap<String, String>,
    /// Devices by their CDI names.
    pub cdi: Vec<String>,
}

/// Something of the host that a container sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantedMount {
    /// Where in the container.
    pub container_path: String,
    /// What of the host.
    pub host_path: String,
    /// Whether it is read-only.
    pub read_only: bool,
}

/// A device of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantedDevice {
    /// Where in the container.
    pub container_path: String,
    /// What of the host.
    pub host_path: String,
    /// `r`, `w` and `m`.
    pub permissions: String,
}

impl Grant {
    /// This and that; where both say something, this counts.
    pub(super) fn extend(&mut self, more: Self) {
        for (name, value) in more.envs {
            self.envs.entry(name).or_insert(value);
        }
        for (name, value) in more.annotations {
            self.annotations.entry(name).or_insert(value);
        }
        for mount in more.mounts {
            let is_new = |one: &GrantedMount| one.container_path != mount.container_path;
            if self.mounts.iter().all(is_new) {
                self.mounts.push(mount);
            }
        }
        for device in more.devices {
            let is_new = |one: &GrantedDevice| one.container_path != device.container_path;
            if self.devices.iter().all(is_new) {
                self.devices.push(device);
            }
        }
        for name in more.cdi {
            if !self.cdi.contains(&name) {
                self.cdi.push(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_two_plugins_give_the_first_counts() {
        let device = |host: &str| GrantedDevice {
            container_path: "/dev/gpu".to_owned(),
            host_path: host.to_owned(),
            permissions: "rw".to_owned(),
        };
        let given = |host: &str, name: &str| Grant {
            envs: [(name.to_owned(), host.to_owned())].into(),
            devices: vec![device(host)],
            cdi: vec!["vendor.com/gpu=0".to_owned()],
            ..Grant::default()
        };
        let mut all = Grant::default();
        all.extend(given("/dev/a", "A"));
        all.extend(given("/dev/b", "A"));
        assert_eq!(all, given("/dev/a", "A"));
    }
}
