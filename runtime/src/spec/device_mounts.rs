//! Mounts that come with devices: they replace others at the same place.

use oci_spec::runtime::{Mount, MountBuilder};

use super::path::{depth, is_within, normalized};
use super::{PathFault, SpecError};

/// A path of the host that comes with a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceMount {
    /// What on the host.
    pub host_path: String,
    /// Where in the container.
    pub container_path: String,
    /// Options of a bind mount.
    pub options: Vec<String>,
}

/// The mounts of a container with those of its devices, outer ones before inner ones.
pub fn add(mut mounts: Vec<Mount>, added: &[DeviceMount]) -> Result<Vec<Mount>, SpecError> {
    for mount in added {
        let mount = bind(mount)?;
        mounts.retain(|known| known.destination() != mount.destination());
        mounts.push(mount);
    }
    if !added.is_empty() {
        mounts.sort_by_key(|mount| mount.destination().to_str().map_or(0, depth));
    }
    Ok(mounts)
}

fn bind(mount: &DeviceMount) -> Result<Mount, SpecError> {
    let source = normalized(&mount.host_path)
        .map_err(|fault| SpecError::MountSource(mount.host_path.clone(), fault))?;
    let place = &mount.container_path;
    let fault = |fault| SpecError::MountDestination(place.clone(), fault);
    let destination = normalized(place).map_err(fault)?;
    match destination.as_str() {
        "/" => return Err(fault(PathFault::Root)),
        "/dev" | "/sys" => return Err(SpecError::MountForbidden(destination)),
        path if is_within(path, "/proc") => return Err(SpecError::MountForbidden(destination)),
        _ => {}
    }
    let bind = MountBuilder::default()
        .typ("bind")
        .source(source)
        .destination(destination)
        .options(mount.options.clone())
        .build();
    Ok(bind.expect("every field that a mount needs is given"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(container_path: &str) -> DeviceMount {
        DeviceMount {
            host_path: "/lib/vendor".to_owned(),
            container_path: container_path.to_owned(),
            options: vec!["ro".to_owned(), "bind".to_owned()],
        }
    }

    #[test]
    fn a_devices_mount_replaces_another_and_comes_after_what_holds_it() {
        let there = add(Vec::new(), &[of("/a/b"), of("/a/b/c")]).unwrap();
        let all = add(there, &[of("/a"), of("/a//b/")]).unwrap();
        let places: Vec<String> = all
            .iter()
            .map(|mount| mount.destination().display().to_string())
            .collect();
        assert_eq!(places, ["/a", "/a/b", "/a/b/c"]);
    }

    #[test]
    fn a_place_that_confines_the_container_is_refused() {
        for place in [
            "/",
            "/dev",
            "/proc",
            "/proc/sys",
            "/sys",
            "relative",
            "/a/../..",
        ] {
            assert!(add(Vec::new(), &[of(place)]).is_err(), "{place}");
        }
    }
}
