//! Devices of the host that a container is given.

use std::fs::{self, FileType, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use oci_spec::runtime::LinuxDeviceType;

use crate::cdi::Node;
use crate::model::config::Device;
use crate::spec::HostDevice;

/// What of /dev every container has of its own.
const OWN: [&str; 4] = ["pts", "shm", "mqueue", "fd"];

/// Why a device cannot be given.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// It cannot be looked at.
    #[error("cannot look up device {}", path.display())]
    LookUp {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no device.
    #[error("{} is not a device", path.display())]
    NotADevice {
        /// What.
        path: PathBuf,
    },
}

/// The devices of a request: each a device, or a directory of devices.
pub fn devices(requested: &[Device]) -> Result<Vec<HostDevice>, DeviceError> {
    let mut found = Vec::new();
    for device in requested {
        let path = Path::new(&device.host_path);
        let target = if device.container_path.is_empty() {
            device.host_path.as_str()
        } else {
            device.container_path.as_str()
        };
        let metadata = fs::metadata(path).map_err(at(path))?;
        match node(&metadata, target, &device.permissions) {
            Some(node) => found.push(node),
            None if metadata.is_dir() => found.extend(below(path, target, &device.permissions)?),
            None => {
                return Err(DeviceError::NotADevice {
                    path: path.to_owned(),
                });
            }
        }
    }
    Ok(found)
}

/// The nodes that CDI describes; what a description leaves open is as on the host.
pub fn device_nodes(nodes: &[Node]) -> Result<Vec<HostDevice>, DeviceError> {
    nodes.iter().map(device_node).collect()
}

fn device_node(wanted: &Node) -> Result<HostDevice, DeviceError> {
    let path = match wanted.host_path.as_str() {
        "" => Path::new(&wanted.path),
        given => Path::new(given),
    };
    let permissions = match wanted.permissions.as_str() {
        "" => "rwm",
        given => given,
    };
    let described = match (wanted.kind.as_str(), wanted.major, wanted.minor) {
        ("b", Some(major), Some(minor)) => Some((LinuxDeviceType::B, major, minor)),
        ("c" | "u", Some(major), Some(minor)) => Some((LinuxDeviceType::C, major, minor)),
        _ => None,
    };
    let mut device = match described {
        Some((kind, major, minor)) => HostDevice {
            container_path: wanted.path.clone(),
            kind,
            major,
            minor,
            mode: 0o666,
            uid: 0,
            gid: 0,
            permissions: permissions.to_owned(),
        },
        None => {
            let metadata = fs::metadata(path).map_err(at(path))?;
            let found = node(&metadata, &wanted.path, permissions);
            found.ok_or_else(|| DeviceError::NotADevice {
                path: path.to_owned(),
            })?
        }
    };
    device.mode = wanted.file_mode.map_or(device.mode, |mode| mode & 0o777);
    device.uid = wanted.uid.unwrap_or(device.uid);
    device.gid = wanted.gid.unwrap_or(device.gid);
    Ok(device)
}

/// Every device of the host, for a privileged container; not its terminals and consoles.
pub fn all_devices() -> Result<Vec<HostDevice>, DeviceError> {
    let devices = below(Path::new("/dev"), "/dev", "rwm")?;
    Ok(devices
        .into_iter()
        .filter(|device| device.container_path != "/dev/console")
        .collect())
}

fn below(folder: &Path, target: &str, permissions: &str) -> Result<Vec<HostDevice>, DeviceError> {
    let mut found = Vec::new();
    let mut folders = vec![(folder.to_owned(), target.to_owned())];
    while let Some((folder, target)) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(at(&folder))? {
            let entry = entry.map_err(at(&folder))?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let target = format!("{}/{name}", target.trim_end_matches('/'));
            let kind = entry.file_type().map_err(at(&entry.path()))?;
            if kind.is_dir() && !is_own(&entry.path()) {
                folders.push((entry.path(), target));
            } else if is_device(kind) {
                // One that went away since is none.
                let metadata = fs::symlink_metadata(entry.path()).ok();
                found.extend(metadata.and_then(|found| node(&found, &target, permissions)));
            }
        }
    }
    found.sort_by(|a, b| a.container_path.cmp(&b.container_path));
    Ok(found)
}

fn is_own(path: &Path) -> bool {
    path.strip_prefix("/dev")
        .is_ok_and(|rest| OWN.iter().any(|own| rest == Path::new(own)))
}

fn is_device(kind: FileType) -> bool {
    kind.is_char_device() || kind.is_block_device()
}

fn node(metadata: &Metadata, target: &str, permissions: &str) -> Option<HostDevice> {
    let kind = match metadata.file_type() {
        kind if kind.is_char_device() => LinuxDeviceType::C,
        kind if kind.is_block_device() => LinuxDeviceType::B,
        _ => return None,
    };
    Some(HostDevice {
        container_path: target.to_owned(),
        kind,
        major: i64::from(rustix::fs::major(metadata.rdev())),
        minor: i64::from(rustix::fs::minor(metadata.rdev())),
        mode: metadata.mode() & 0o777,
        uid: metadata.uid(),
        gid: metadata.gid(),
        permissions: permissions.to_owned(),
    })
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> DeviceError {
    let path = path.to_owned();
    move |source| DeviceError::LookUp { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(host: &str, container: &str) -> Device {
        Device {
            host_path: host.to_owned(),
            container_path: container.to_owned(),
            permissions: "rw".to_owned(),
        }
    }

    #[test]
    fn a_device_is_found_by_its_numbers() {
        let found = devices(&[device("/dev/null", "/dev/nothing")]).unwrap();
        assert_eq!(
            (found[0].major, found[0].minor, found[0].mode),
            (1, 3, 0o666)
        );
        assert_eq!(found[0].container_path, "/dev/nothing");
        assert_eq!(
            devices(&[device("/dev/zero", "")]).unwrap()[0].container_path,
            "/dev/zero"
        );
    }

    #[test]
    fn a_described_node_is_the_hosts_but_for_what_is_described() {
        let named = Node {
            path: "/dev/mine".to_owned(),
            host_path: "/dev/zero".to_owned(),
            file_mode: Some(0o600),
            gid: Some(44),
            ..Node::default()
        };
        let found = device_nodes(std::slice::from_ref(&named)).unwrap();
        assert_eq!(
            (found[0].major, found[0].minor, found[0].mode, found[0].gid),
            (1, 5, 0o600, 44)
        );
        assert_eq!(found[0].permissions, "rwm");
        let numbered = Node {
            path: "/dev/absent".to_owned(),
            kind: "b".to_owned(),
            major: Some(250),
            minor: Some(3),
            permissions: "r".to_owned(),
            ..Node::default()
        };
        let found = device_nodes(&[numbered]).unwrap();
        assert_eq!((found[0].major, found[0].kind), (250, LinuxDeviceType::B));
        let absent = Node {
            path: "/dev/absent".to_owned(),
            ..Node::default()
        };
        assert!(device_nodes(&[absent]).is_err());
    }

    #[test]
    fn what_is_no_device_is_refused() {
        assert!(matches!(
            devices(&[device("/etc/passwd", "")]),
            Err(DeviceError::NotADevice { .. })
        ));
        assert!(matches!(
            devices(&[device("/dev/none", "")]),
            Err(DeviceError::LookUp { .. })
        ));
    }

    #[test]
    fn all_devices_leave_out_what_a_container_has_of_its_own() {
        let all = all_devices().unwrap();
        assert!(
            all.iter()
                .any(|device| device.container_path == "/dev/null")
        );
        let is_own = |device: &HostDevice| {
            device.container_path.starts_with("/dev/pts/")
                || device.container_path == "/dev/console"
        };
        assert!(!all.iter().any(is_own));
    }
}
