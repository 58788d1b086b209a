//! Showing a container its cgroups, and hiding all of them from libcontainer.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use oci_spec::runtime::{Mount, Spec};
use rustix::mount::MountFlags;

use crate::sys::mount;
use crate::sys::mount_tree::MountTree;

/// Where cgroup file systems are mounted, and in A the tmpfs of this launch.
pub(super) const CGROUP_ROOT: &str = "/sys/fs/cgroup";

/// The container's cgroups, opened while they can be seen.
#[derive(Debug)]
pub(super) enum CgroupView {
    /// The spec does not ask for them.
    None,
    /// The single directory of v2.
    Unified(MountTree),
    /// A directory of each hierarchy of v1, and how they may be used.
    Hierarchies(Vec<(String, OwnedFd)>, MountFlags),
}

impl CgroupView {
    /// Opens what the spec asks to be shown of `dirs`.
    pub(super) fn open(dirs: &[PathBuf], spec: &Spec) -> io::Result<Self> {
        let is_cgroup =
            |mount: &&Mount| matches!(mount.typ().as_deref(), Some("cgroup" | "cgroup2"));
        let Some(asked) = spec.mounts().iter().flatten().find(is_cgroup) else {
            return Ok(Self::None);
        };
        if let [dir] = dirs
            && !dir.join("tasks").exists()
        {
            return Ok(Self::Unified(MountTree::of(dir)?));
        }
        let options = asked.options().iter().flatten();
        let access = match options.into_iter().any(|option| option == "ro") {
            true => MountFlags::RDONLY,
            false => MountFlags::empty(),
        };
        let hierarchies = dirs
            .iter()
            .filter_map(|dir| Some((hierarchy(dir, Path::new(CGROUP_ROOT))?, dir)))
            .map(|(name, dir)| Ok((name, mount::open_dir(dir)?)))
            .collect::<io::Result<_>>()?;
        Ok(Self::Hierarchies(hierarchies, access))
    }

    /// Shows them at the empty directory `place`, the way a host shows its own.
    pub(super) fn show(self, place: &Path) -> io::Result<()> {
        match self {
            Self::None => Ok(()),
            Self::Unified(tree) => tree.attach(place),
            Self::Hierarchies(hierarchies, access) => hierarchies
                .iter()
                .try_for_each(|(name, dir)| show_hierarchy(name, dir, access, place)),
        }
    }
}

fn show_hierarchy(name: &str, dir: &OwnedFd, access: MountFlags, place: &Path) -> io::Result<()> {
    let target = place.join(name);
    fs::create_dir(&target)?;
    let source = format!("/proc/self/fd/{}", dir.as_raw_fd());
    mount::bind(Path::new(&source), &target)?;
    mount::remount_bind(&target, mount::PLAIN | access)?;
    link_controllers(place, name)
}

/// The name of the hierarchy that `dir` lies in: its first component below the cgroup root.
fn hierarchy(dir: &Path, root: &Path) -> Option<String> {
    let first = dir.strip_prefix(root).ok()?.components().next()?;
    Some(first.as_os_str().to_str()?.to_owned())
}

/// `cpu` and `cpuacct` lead to `cpu,cpuacct`, as on a host.
fn link_controllers(root: &Path, name: &str) -> io::Result<()> {
    for controller in name.split(',').filter(|controller| *controller != name) {
        match std::os::unix::fs::symlink(name, root.join(controller)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Takes every cgroup file system out of this namespace and puts a tmpfs in their place, which
/// libcgroups takes for a host of v1 without any hierarchy.
pub(super) fn hide_cgroups() -> io::Result<PathBuf> {
    loop {
        let table = fs::read_to_string("/proc/self/mountinfo")?;
        // The first one first: the others lie below it and go with it, and every unmount waits for
        // a grace period of the kernel.
        let Some(target) = table.lines().find_map(cgroup_mount_point) else {
            break;
        };
        mount::detach(&target)?;
    }
    let root = Path::new(CGROUP_ROOT);
    mount::tmpfs(root, mount::PLAIN, "mode=700,size=16m")?;
    Ok(root.to_owned())
}

/// The mount point of a line of mountinfo, if it is a cgroup file system, or the tmpfs that holds
/// them.
fn cgroup_mount_point(line: &str) -> Option<PathBuf> {
    let (place, kind) = line.split_once(" - ")?;
    let target = unescape(place.split(' ').nth(4)?);
    let kind = kind.split(' ').next()?;
    let is_cgroup = matches!(kind, "cgroup" | "cgroup2") || target == CGROUP_ROOT;
    is_cgroup.then(|| target.into())
}

/// Undoes mountinfo's escapes: space, tab, newline and backslash as octal numbers.
fn unescape(field: &str) -> String {
    [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ]
    .iter()
    .fold(field.to_owned(), |text, (escape, plain)| {
        text.replace(escape, plain)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cgroup_mounts_are_found_in_mountinfo() {
        let cases = [
            (
                "30 24 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw",
                Some("/sys/fs/cgroup"),
            ),
            (
                "31 30 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu",
                Some("/sys/fs/cgroup/cpu"),
            ),
            (
                "32 30 0:28 /a /mnt/a\\040b rw shared:1 - cgroup2 cgroup2 rw",
                Some("/mnt/a b"),
            ),
            ("33 30 0:29 / /tmp rw - tmpfs tmpfs rw", None),
        ];
        for (line, target) in cases {
            assert_eq!(cgroup_mount_point(line), target.map(PathBuf::from));
        }
    }

    #[test]
    fn a_hierarchy_is_named_after_its_mount_point() {
        let dir = Path::new("/sys/fs/cgroup/cpu,cpuacct/pods/x");
        assert_eq!(
            hierarchy(dir, Path::new(CGROUP_ROOT)).as_deref(),
            Some("cpu,cpuacct")
        );
        assert_eq!(
            hierarchy(Path::new("/elsewhere/x"), Path::new(CGROUP_ROOT)),
            None
        );
    }
}
