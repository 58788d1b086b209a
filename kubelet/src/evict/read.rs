//! What the machine says of itself, and what directories take.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::rank::Space;
use super::watch::{Observation, Observations};
use super::{Disks, Signal};

/// The file systems that are watched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places<'a> {
    /// Where the kubelet's files are.
    pub(super) node: &'a Path,
    /// Where images are.
    pub(super) images: Option<&'a Path>,
    /// Where containers are.
    pub(super) containers: Option<&'a Path>,
}

/// Which disks are the same; what cannot be told apart is one.
pub(super) fn disks(places: Places<'_>) -> Disks {
    let device = |path: &Path| fs::metadata(path).map(|one| one.dev()).ok();
    let node = device(places.node);
    let images = places.images.and_then(device).or(node);
    let containers = places.containers.and_then(device).or(images);
    if images == node {
        Disks::One
    } else if containers == node {
        Disks::ImagesAlone
    } else {
        Disks::ImagesApart
    }
}

/// Everything but what pods use together.
pub(super) fn observations(places: Places<'_>) -> Observations {
    use Signal::{
        ContainerfsAvailable, ContainerfsInodesFree, ImagefsAvailable, ImagefsInodesFree,
        MemoryAvailable, NodefsAvailable, NodefsInodesFree, PidAvailable,
    };
    let mut seen = Observations::new();
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    seen.extend(memory(&meminfo).map(|memory| (MemoryAvailable, memory)));
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let pids = pids(&read("/proc/loadavg"), &read("/proc/sys/kernel/pid_max"));
    seen.extend(pids.map(|pids| (PidAvailable, pids)));
    let containers = places.containers.or(places.images);
    for (place, bytes, inodes) in [
        (Some(places.node), NodefsAvailable, NodefsInodesFree),
        (places.images, ImagefsAvailable, ImagefsInodesFree),
        (containers, ContainerfsAvailable, ContainerfsInodesFree),
    ] {
        let Some(disk) = place.and_then(|place| rustix::fs::statvfs(place).ok()) else {
            continue;
        };
        let of = |available: u64, capacity: u64| Observation {
            available: available.into(),
            capacity: capacity.into(),
        };
        seen.insert(
            bytes,
            of(disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize),
        );
        // A file system without a fixed number of inodes never runs out of them.
        if disk.f_files > 0 {
            seen.insert(inodes, of(disk.f_ffree, disk.f_files));
        }
    }
    seen
}

/// What is left is what is free, and what the kernel could easily take back from files.
pub(super) fn memory(meminfo: &str) -> Option<Observation> {
    let of = |name: &str| {
        let line = meminfo
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kibibytes: i128 = line?.split_whitespace().next()?.parse().ok()?;
        Some(kibibytes * 1024)
    };
    let capacity = of("MemTotal")?;
    let available = of("MemFree")? + of("Inactive(file)").unwrap_or(0);
    Some(Observation {
        available,
        capacity,
    })
}

/// `0.12 0.10 0.05 3/812 4711`: there are 812 threads, and each has an id.
pub(super) fn pids(loadavg: &str, most: &str) -> Option<Observation> {
    let threads = loadavg.split_whitespace().nth(3)?.split_once('/')?.1;
    let (threads, capacity): (i128, i128) = (threads.parse().ok()?, most.trim().parse().ok()?);
    Some(Observation {
        available: capacity - threads,
        capacity,
    })
}

/// What a directory takes with all that is below it on the same disk, as `du` counts it. What goes
/// meanwhile takes nothing.
pub(crate) fn space(directory: &Path) -> Space {
    let mut space = Space::default();
    let mut linked = BTreeSet::new();
    let Ok(top) = fs::symlink_metadata(directory) else {
        return space;
    };
    let mut left = vec![directory.to_owned()];
    while let Some(path) = left.pop() {
        let Ok(metadata) = fs::symlink_metadata(&path) else {
            continue;
        };
        let is_elsewhere = metadata.dev() != top.dev();
        let is_counted =
            metadata.nlink() > 1 && !metadata.is_dir() && !linked.insert(metadata.ino());
        if is_elsewhere || is_counted {
            continue;
        }
        space.bytes += metadata.blocks() * 512;
        space.inodes += 1;
        if metadata.is_dir() {
            left.extend(entries(&path).unwrap_or_default());
        }
    }
    space
}

fn entries(directory: &Path) -> io::Result<Vec<std::path::PathBuf>> {
    fs::read_dir(directory)?
        .map(|entry| Ok(entry?.path()))
        .collect()
}
