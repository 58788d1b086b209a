//! What devices make of a container, put together.
#![deny(clippy::disallowed_methods)]

use super::document::{ContainerEdits, Hook, Mount, Node};
use crate::model::config::EnvVar;

/// Options of a bind mount that are understood.
const OPTIONS: [&str; 14] = [
    "ro", "rw", "bind", "rbind", "nosuid", "nodev", "noexec", "suid", "dev", "exec", "private",
    "rprivate", "slave", "rslave",
];

/// Everything that a container's devices make of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edits {
    /// Variables; they win over the request's.
    pub env: Vec<EnvVar>,
    /// Device nodes.
    pub nodes: Vec<Node>,
    /// Bind mounts; they replace others at the same place.
    pub mounts: Vec<BindMount>,
    /// Groups of the process.
    pub groups: Vec<u32>,
}

/// A path of the host, bound into the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindMount {
    /// What on the host.
    pub host_path: String,
    /// Where in the container.
    pub container_path: String,
    /// Options, as mount(8) writes them.
    pub options: Vec<String>,
}

/// What a device asks for and cannot have.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EditError {
    /// A hook.
    #[error("hook {name} ({path}): hooks are not run")]
    Hook {
        /// When it is to be run.
        name: String,
        /// What.
        path: String,
    },
    /// A network device.
    #[error("netDevices is not supported")]
    NetDevices,
    /// Intel RDT.
    #[error("intelRdt is not supported")]
    IntelRdt,
    /// A variable without a name.
    #[error("{0:?} is no NAME=value")]
    Env(String),
    /// A mount of another kind.
    #[error("mount at {path}: type {kind:?} is not supported")]
    MountType {
        /// Where.
        path: String,
        /// Which.
        kind: String,
    },
    /// An option of a mount.
    #[error("mount at {path}: option {option:?} is not supported")]
    MountOption {
        /// Where.
        path: String,
        /// Which.
        option: String,
    },
}

impl Edits {
    /// Adds what a file or a device describes; a variable or node that is there already is replaced.
    pub(super) fn add(&mut self, edits: &ContainerEdits) -> Result<(), EditError> {
        refuse(edits)?;
        for entry in &edits.env {
            let (name, value) = entry
                .split_once('=')
                .ok_or_else(|| EditError::Env(entry.clone()))?;
            self.env.retain(|known| known.name != name);
            self.env.push(EnvVar {
                name: name.to_owned(),
                value: value.as_bytes().to_vec(),
            });
        }
        for node in &edits.device_nodes {
            self.nodes.retain(|known| known.path != node.path);
            self.nodes.push(node.clone());
        }
        for mount in &edits.mounts {
            let mount = bind(mount)?;
            self.mounts
                .retain(|known| known.container_path != mount.container_path);
            self.mounts.push(mount);
        }
        // Group 0 is no addition to anybody's rights that a device could mean.
        let groups = edits.additional_gids.iter().filter(|gid| **gid != 0);
        for gid in groups {
            if !self.groups.contains(gid) {
                self.groups.push(*gid);
            }
        }
        Ok(())
    }
}

fn refuse(edits: &ContainerEdits) -> Result<(), EditError> {
    if let Some(Hook { hook_name, path }) = edits.hooks.first() {
        return Err(EditError::Hook {
            name: hook_name.clone(),
            path: path.clone(),
        });
    }
    if !edits.net_devices.is_empty() {
        return Err(EditError::NetDevices);
    }
    match edits.intel_rdt {
        Some(_) => Err(EditError::IntelRdt),
        None => Ok(()),
    }
}

fn bind(mount: &Mount) -> Result<BindMount, EditError> {
    let path = || mount.container_path.clone();
    if !matches!(mount.kind.as_str(), "" | "none" | "bind") {
        return Err(EditError::MountType {
            path: path(),
            kind: mount.kind.clone(),
        });
    }
    let is_unknown = |option: &&String| !OPTIONS.contains(&option.as_str());
    if let Some(option) = mount.options.iter().find(is_unknown) {
        return Err(EditError::MountOption {
            path: path(),
            option: option.clone(),
        });
    }
    let mut options = mount.options.clone();
    if !options
        .iter()
        .any(|option| matches!(option.as_str(), "bind" | "rbind"))
    {
        options.push("rbind".to_owned());
    }
    Ok(BindMount {
        host_path: mount.host_path.clone(),
        container_path: path(),
        options,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(edits: &mut Edits, yaml: &str) -> Result<(), EditError> {
        edits.add(&serde_saphyr::from_str(yaml).expect("edits"))
    }

    #[test]
    fn later_edits_replace_earlier_ones_of_the_same_name() {
        let mut edits = Edits::default();
        add(
            &mut edits,
            "{env: [A=1, B=2], additionalGids: [0, 5], deviceNodes: [{path: /dev/a}]}",
        )
        .unwrap();
        add(
            &mut edits,
            "{env: [A=3], additionalGids: [5, 6], deviceNodes: [{path: /dev/a, permissions: r}]}",
        )
        .unwrap();
        let env: Vec<String> = edits
            .env
            .iter()
            .map(|variable| {
                format!(
                    "{}={}",
                    variable.name,
                    String::from_utf8_lossy(&variable.value)
                )
            })
            .collect();
        assert_eq!(env, ["B=2", "A=3"]);
        assert_eq!(edits.groups, [5, 6]);
        assert_eq!(
            (edits.nodes.len(), edits.nodes[0].permissions.as_str()),
            (1, "r")
        );
    }

    #[test]
    fn a_mount_is_a_bind() {
        let mut edits = Edits::default();
        add(
            &mut edits,
            "{mounts: [{hostPath: /a, containerPath: /b, options: [ro]}]}",
        )
        .unwrap();
        assert_eq!(edits.mounts[0].options, ["ro", "rbind"]);
    }

    #[test]
    fn what_cannot_be_given_is_refused_by_name() {
        for (yaml, named) in [
            (
                "{hooks: [{hookName: createContainer, path: /bin/ldconfig}]}",
                "createContainer (/bin/ldconfig)",
            ),
            (
                "{netDevices: [{hostInterfaceName: eth1, name: net1}]}",
                "netDevices",
            ),
            ("{intelRdt: {closID: x}}", "intelRdt"),
            ("{env: [NOTHING]}", "NOTHING"),
            (
                "{mounts: [{hostPath: /a, containerPath: /b, type: tmpfs}]}",
                "tmpfs",
            ),
            (
                "{mounts: [{hostPath: /a, containerPath: /b, options: [rshared]}]}",
                "rshared",
            ),
        ] {
            let error = add(&mut Edits::default(), yaml)
                .expect_err(yaml)
                .to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
