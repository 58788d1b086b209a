//! Mounts: those of plugins replace others at the same place.

use std::path::Path;

use oci_spec::runtime::{Mount, MountBuilder, Spec};
use podling_proto::nri as wire;

use super::{AdjustError, refused};
use crate::nri::merge::removed;
use crate::spec::{self, DeviceMount};

/// What confines the container, or what it cannot run without.
const KEPT: [&str; 3] = ["/proc", "/dev", "/sys"];

pub(super) fn change(spec: &mut Spec, wanted: &[wire::Mount]) -> Result<(), AdjustError> {
    if wanted.is_empty() {
        return Ok(());
    }
    let mut mounts = spec.mounts().clone().unwrap_or_default();
    for mount in wanted {
        if let Some(place) = removed(&mount.destination) {
            if KEPT.contains(&place) {
                let what = format!("no mount at {place:?}");
                return Err(refused(what, "a container cannot be without it"));
            }
            mounts.retain(|known| known.destination() != Path::new(place));
            continue;
        }
        mounts = add(mounts, mount)?;
        propagate(spec, mount);
    }
    spec.set_mounts(Some(mounts));
    Ok(())
}

fn add(mounts: Vec<Mount>, wanted: &wire::Mount) -> Result<Vec<Mount>, AdjustError> {
    let place = &wanted.destination;
    let what = || format!("a mount at {place:?}");
    if wanted.options.iter().any(|option| option == "relabel") {
        return Err(refused(what(), "SELinux labels are not supported"));
    }
    let is_bind = matches!(wanted.r#type.as_str(), "" | "none" | "bind")
        || wanted
            .options
            .iter()
            .any(|option| option == "bind" || option == "rbind");
    let bind = DeviceMount {
        // The source of another mount is no path; its place is checked as that of a bind.
        host_path: if is_bind {
            wanted.source.clone()
        } else {
            "/".to_owned()
        },
        container_path: place.clone(),
        options: options(wanted, is_bind),
    };
    let added = spec::add_mounts(mounts, &[bind]).map_err(|source| AdjustError::Senseless {
        what: what(),
        source,
    })?;
    match is_bind {
        true => Ok(added),
        false => Ok(added
            .into_iter()
            .map(|mount| typed(mount, wanted))
            .collect()),
    }
}

fn options(wanted: &wire::Mount, is_bind: bool) -> Vec<String> {
    let mut options = wanted.options.clone();
    let says_bind = |option: &String| option == "bind" || option == "rbind";
    if is_bind && !options.iter().any(says_bind) {
        options.push("rbind".to_owned());
    }
    options
}

/// The mount that was added, as what it is.
fn typed(mount: Mount, wanted: &wire::Mount) -> Mount {
    if mount.destination() != Path::new(wanted.destination.trim_end_matches('/')) {
        return mount;
    }
    let built = MountBuilder::default()
        .destination(mount.destination().clone())
        .typ(wanted.r#type.clone())
        .source(wanted.source.clone())
        .options(wanted.options.clone())
        .build();
    built.expect("every field that a mount needs is given")
}

/// The root lets through what a mount lets through.
fn propagate(spec: &mut Spec, mount: &wire::Mount) {
    let has = |wanted: &[&str]| {
        let mut options = mount.options.iter();
        options.any(|option| wanted.contains(&option.as_str()))
    };
    let Some(linux) = spec.linux_mut() else {
        return;
    };
    let is_shared = linux.rootfs_propagation().as_deref() == Some("shared");
    if has(&["rshared", "shared"]) {
        linux.set_rootfs_propagation(Some("shared".to_owned()));
    } else if has(&["rslave", "slave"]) && !is_shared {
        linux.set_rootfs_propagation(Some("slave".to_owned()));
    }
}
