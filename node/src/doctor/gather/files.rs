//! What files of /proc and /sys say.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use podling_runtime::cgroup::CgroupDriver;

use super::super::facts::{Cgroups, Disk, Trial};

const SYSCTLS: [&str; 5] = [
    "net.ipv4.ip_forward",
    "net.bridge.bridge-nf-call-iptables",
    "fs.inotify.max_user_instances",
    "fs.inotify.max_user_watches",
    "kernel.pid_max",
];
/// Where system programs lie, whatever PATH a service has.
const PROGRAMS: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

pub(super) fn cgroups(made: Trial, driver: CgroupDriver, systemd: Option<Trial>) -> Cgroups {
    let unified = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").ok();
    let legacy = fs::read_to_string("/proc/cgroups").unwrap_or_default();
    Cgroups {
        unified: unified.map(|text| text.split_whitespace().map(str::to_owned).collect()),
        legacy: mounted_controllers(&legacy),
        made,
        driver,
        systemd,
    }
}

/// Controllers of /proc/cgroups that are in a hierarchy of version 1.
fn mounted_controllers(text: &str) -> Vec<String> {
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    rows.filter_map(|line| {
        let mut cells = line.split_whitespace();
        let (name, hierarchy) = (cells.next()?, cells.next()?);
        (hierarchy != "0").then(|| name.to_owned())
    })
    .collect()
}

pub(super) fn sysctls() -> BTreeMap<&'static str, String> {
    let read = |name: &&'static str| {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        let text = fs::read_to_string(path).ok()?;
        Some((*name, text.trim().to_owned()))
    };
    SYSCTLS.iter().filter_map(read).collect()
}

/// Effective ones of this process; none when it cannot be read.
pub(super) fn capabilities() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let digits = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    digits.map_or(0, |digits| {
        u64::from_str_radix(digits.trim(), 16).unwrap_or(0)
    })
}

pub(super) fn security_modules() -> Option<String> {
    let listed = fs::read_to_string("/sys/kernel/security/lsm").ok()?;
    Some(listed.trim().to_owned())
}

pub(super) fn has_program(name: &str) -> bool {
    PROGRAMS
        .iter()
        .any(|dir| Path::new(dir).join(name).is_file())
}

pub(super) fn disk(path: &Path) -> Disk {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut disk = Disk {
        path: path.to_owned(),
        kind: kind_of(&mounts, &real),
        free: 0,
        size: 0,
        free_inodes: 0,
        inodes: 0,
    };
    if let Ok(room) = rustix::fs::statvfs(path) {
        disk.free = room.f_bavail.saturating_mul(room.f_frsize);
        disk.size = room.f_blocks.saturating_mul(room.f_frsize);
        disk.free_inodes = room.f_favail;
        disk.inodes = room.f_files;
    }
    disk
}

/// Type of the file system that a path lies on: that of the longest mount point above it, the last
/// of several on the same.
fn kind_of(mountinfo: &str, path: &Path) -> String {
    let mounts = mountinfo.lines().filter_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let point = Path::new(left.split(' ').nth(4)?);
        let kind = right.split(' ').next()?;
        path.starts_with(point)
            .then(|| (point.components().count(), kind))
    });
    let deepest = mounts.max_by_key(|(depth, _)| *depth);
    deepest.map_or("unknown", |(_, kind)| kind).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_and_last_mount_tells_the_file_system() {
        let mounts = "1 0 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n\
                      2 1 0:5 / /var rw - xfs /dev/sdb rw\n\
                      3 1 0:6 / /var rw - btrfs /dev/sdc rw\n\
                      4 1 0:7 / /variable rw - tmpfs tmpfs rw\n";
        for (path, kind) in [
            ("/srv", "ext4"),
            ("/var/lib/podling", "btrfs"),
            ("/variable", "tmpfs"),
        ] {
            assert_eq!(kind_of(mounts, Path::new(path)), kind, "{path}");
        }
        assert_eq!(kind_of("", Path::new("/")), "unknown");
    }

    #[test]
    fn only_controllers_in_a_hierarchy_of_their_own_are_of_version_1() {
        let text =
            "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t3\t4\t1\nhugetlb\t0\t4\t1\n";
        assert_eq!(mounted_controllers(text), ["cpu"]);
        assert!(mounted_controllers("").is_empty());
    }
}
