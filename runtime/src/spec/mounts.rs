//! What is mounted in a container, outermost first.
//!
//! A mount of the request at the place of a default one replaces it. What confines the container
//! cannot be replaced: /proc, and /dev, in whose place libcontainer would make the container's
//! device nodes on the host.

use std::path::Path;

use oci_spec::runtime::{Mount as SpecMount, MountBuilder};

use super::default_mounts::{kernel_mounts, sandbox_mounts};
use super::path::{depth, is_within, normalized};
use super::{HostFacts, PathFault, SandboxFacts, SpecError, user_namespace};
use crate::model::config::{ContainerSecurity, Mount, Propagation};

/// Files of /proc that may be replaced, as lxcfs does.
const REPLACEABLE: [&str; 11] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/slabinfo",
    "/proc/net/dev",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/crypto/fips_enabled",
];

/// All mounts of a container, in the order in which they are made.
pub(super) fn mounts(
    requested: &[Mount],
    security: &ContainerSecurity,
    sandbox: &SandboxFacts,
    host: &HostFacts,
) -> Result<Vec<SpecMount>, SpecError> {
    let requested: Vec<SpecMount> = requested
        .iter()
        .map(|mount| convert(mount, security, sandbox, host))
        .collect::<Result<_, _>>()?;
    refuse_duplicates(&requested)?;
    let is_replaced = |mount: &SpecMount| {
        requested
            .iter()
            .any(|other| other.destination() == mount.destination())
    };
    let defaults = kernel_mounts(security, sandbox, host)
        .into_iter()
        .chain(sandbox_mounts(sandbox, security));
    let mut mounts: Vec<SpecMount> = defaults.filter(|mount| !is_replaced(mount)).collect();
    mounts.extend(requested);
    mounts.sort_by_key(|mount| depth(text(mount)));
    Ok(mounts)
}

/// The propagation that the root needs for the mounts of the request to have theirs.
pub(super) fn rootfs_propagation(requested: &[Mount]) -> Option<String> {
    let has = |propagation| {
        requested
            .iter()
            .any(|mount| mount.propagation == propagation)
    };
    if has(Propagation::Bidirectional) {
        Some("shared".to_owned())
    } else if has(Propagation::HostToContainer) {
        Some("slave".to_owned())
    } else {
        None
    }
}

fn convert(
    mount: &Mount,
    security: &ContainerSecurity,
    sandbox: &SandboxFacts,
    host: &HostFacts,
) -> Result<SpecMount, SpecError> {
    let destination = normalized(&mount.container_path)
        .map_err(|fault| SpecError::MountDestination(mount.container_path.clone(), fault))?;
    refuse_forbidden(&destination)?;
    let mut options = vec![
        "rbind",
        propagation(mount, security, sandbox)?,
        access(mount, host)?,
    ];
    options.extend(mount.options.iter().map(|option| option.name()));
    let builder = MountBuilder::default()
        .destination(destination)
        .typ("bind")
        .source(source(mount)?)
        .options(options.into_iter().map(str::to_owned).collect::<Vec<_>>());
    let mut converted = builder.build().expect("every field has a default");
    match (&mount.mapping, &sandbox.user_namespace) {
        (None, _) => {}
        (Some(asked), Some(namespace)) if asked == namespace => {
            user_namespace::map(&mut converted, namespace);
        }
        (Some(_), _) => return Err(SpecError::OtherMapping(mount.container_path.clone())),
    }
    Ok(converted)
}

/// The host path, or the image that podling-launch mounts in its place.
fn source(mount: &Mount) -> Result<String, SpecError> {
    let refused = |why| Err(SpecError::ImageVolume(mount.container_path.clone(), why));
    match &mount.image {
        None => normalized(&mount.host_path)
            .map_err(|fault| SpecError::MountSource(mount.host_path.clone(), fault)),
        Some(_) if !mount.host_path.is_empty() => refused("a host path is given too"),
        Some(_) if !mount.readonly => refused("it can only be read-only"),
        Some(_) if mount.propagation != Propagation::Private => {
            refused("its propagation can only be private")
        }
        Some(image) => Ok(image.image.clone()),
    }
}

/// The option for propagation. Into the host only a container can mount that could do so anyway.
fn propagation(
    mount: &Mount,
    security: &ContainerSecurity,
    sandbox: &SandboxFacts,
) -> Result<&'static str, SpecError> {
    let refused = |why| Err(SpecError::Bidirectional(mount.container_path.clone(), why));
    match mount.propagation {
        Propagation::Private => Ok("rprivate"),
        Propagation::HostToContainer => Ok("rslave"),
        Propagation::Bidirectional if !security.privileged => {
            refused("the container is not privileged")
        }
        Propagation::Bidirectional if sandbox.user_namespace.is_some() => {
            refused("the pod has a user namespace, whose root may not mount on the host")
        }
        Propagation::Bidirectional => Ok("rshared"),
    }
}

/// The option for read-only, with the conditions that CRI sets for the recursive kind.
fn access(mount: &Mount, host: &HostFacts) -> Result<&'static str, SpecError> {
    let refused = |why| {
        Err(SpecError::RecursiveReadOnly(
            mount.container_path.clone(),
            why,
        ))
    };
    match (mount.recursive_read_only, mount.readonly) {
        (false, false) => Ok("rw"),
        (false, true) => Ok("ro"),
        (true, false) => refused("the mount is not read-only"),
        (true, true) if mount.propagation != Propagation::Private => {
            refused("its propagation is not private")
        }
        (true, true) if !host.recursive_read_only => refused("the kernel is too old"),
        (true, true) => Ok("rro"),
    }
}

fn refuse_forbidden(destination: &str) -> Result<(), SpecError> {
    if destination == "/" {
        return Err(SpecError::MountDestination(
            destination.to_owned(),
            PathFault::Root,
        ));
    }
    let hides_proc = is_within(destination, "/proc") && !REPLACEABLE.contains(&destination);
    if hides_proc || destination == "/dev" {
        return Err(SpecError::MountForbidden(destination.to_owned()));
    }
    Ok(())
}

fn refuse_duplicates(mounts: &[SpecMount]) -> Result<(), SpecError> {
    let mut destinations: Vec<&Path> = mounts
        .iter()
        .map(|mount| mount.destination().as_path())
        .collect();
    destinations.sort_unstable();
    match destinations.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(SpecError::MountTwice(pair[0].display().to_string())),
        None => Ok(()),
    }
}

fn text(mount: &SpecMount) -> &str {
    mount
        .destination()
        .to_str()
        .expect("destinations are made from text")
}

#[cfg(test)]
#[path = "mounts_tests.rs"]
mod tests;
