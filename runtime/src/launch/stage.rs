//! The two mount namespaces of a launch.
//!
//! B, where the container's root is prepared: the overlay is mounted, and the container's cgroups
//! are shown at one place. A, where libcontainer runs: a copy of B without any cgroup file system,
//! with a tmpfs where they were.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use oci_spec::runtime::{Mount, Spec};
use rustix::mount::MountFlags;

use crate::monitor::protocol::{LaunchFailure, LaunchRequest, LaunchStage};
use crate::sys::overlay::mount_overlay;
use crate::sys::{mount, rooted};

use super::failure::failed;

/// Where cgroup file systems are mounted, and in A the tmpfs of this launch.
pub(super) const CGROUP_ROOT: &str = "/sys/fs/cgroup";

/// What was staged.
#[derive(Debug)]
pub(super) struct Stage {
    /// Mount namespace B.
    pub(super) namespace: OwnedFd,
    /// In B, the directory that shows the container's cgroups.
    pub(super) cgroup_view: PathBuf,
    /// In A, an empty directory that nobody else sees.
    pub(super) scratch: PathBuf,
}

impl Stage {
    /// The path of B's namespace for this process and its forks.
    pub(super) fn namespace_path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.namespace.as_raw_fd()).into()
    }
}

/// Leaves this process in A.
pub(super) fn prepare(request: &LaunchRequest, spec: &Spec) -> Result<Stage, LaunchFailure> {
    let failed_at = |what| failed::<io::Error>(LaunchStage::Rootfs, what);
    mount::unshare_mounts().map_err(failed_at("new mount namespace"))?;
    let overlay = &request.overlay;
    mount_overlay(overlay).map_err(failed_at("mounting the root file system"))?;
    make_directories(&overlay.target, &request.directories, spec)
        .map_err(failed_at("making directories that the image lacks"))?;
    let cgroup_view = show_cgroups(&request.cgroup_dirs, spec)
        .map_err(failed_at("showing the container its cgroups"))?;
    let namespace = mount::own_namespace().map_err(failed_at("mount namespace"))?;
    mount::unshare_mounts().map_err(failed_at("second mount namespace"))?;
    let scratch = hide_cgroups().map_err(failed_at("hiding cgroups from libcontainer"))?;
    Ok(Stage {
        namespace,
        cgroup_view,
        scratch,
    })
}

/// Makes the directories that the image lacks (the working directory, its volumes) in the
/// container's writable layer. What lies on a mount of its own is left to whoever filled that.
fn make_directories(rootfs: &Path, directories: &[String], spec: &Spec) -> io::Result<()> {
    let is_on_a_mount = |directory: &Path| {
        let mut mounts = spec.mounts().iter().flatten();
        mounts.any(|mount| directory.starts_with(mount.destination()))
    };
    for directory in directories.iter().map(Path::new) {
        if directory == Path::new("/") || is_on_a_mount(directory) {
            continue;
        }
        match rooted::make_directories(mount::open_dir(rootfs)?, directory) {
            // A file is in the way: entering it gives the error that users know.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {}
            result => result?,
        }
    }
    Ok(())
}

/// Shows the directories `dirs` the way a host shows its hierarchies, if the spec asks for it. On
/// v2 that is the single directory itself.
fn show_cgroups(dirs: &[PathBuf], spec: &Spec) -> io::Result<PathBuf> {
    let root = Path::new(CGROUP_ROOT);
    let is_cgroup = |mount: &&Mount| matches!(mount.typ().as_deref(), Some("cgroup" | "cgroup2"));
    let Some(asked) = spec.mounts().iter().flatten().find(is_cgroup) else {
        return Ok(root.to_owned());
    };
    if let [dir] = dirs
        && !dir.join("tasks").exists()
    {
        return Ok(dir.clone());
    }
    let is_read_only = asked
        .options()
        .iter()
        .flatten()
        .any(|option| option == "ro");
    let access = if is_read_only {
        MountFlags::RDONLY
    } else {
        MountFlags::empty()
    };
    let hierarchies = dirs
        .iter()
        .filter_map(|dir| Some((hierarchy(dir, root)?, dir)))
        .map(|(name, dir)| Ok((name, mount::open_dir(dir)?)))
        .collect::<io::Result<Vec<(String, OwnedFd)>>>()?;
    mount::tmpfs(root, mount::PLAIN, "mode=755,size=64k")?;
    for (name, dir) in &hierarchies {
        let target = root.join(name);
        fs::create_dir(&target)?;
        mount::bind(
            Path::new(&format!("/proc/self/fd/{}", dir.as_raw_fd())),
            &target,
        )?;
        mount::remount_bind(&target, mount::PLAIN | access)?;
        link_controllers(root, name)?;
    }
    mount::remount_bind(root, mount::PLAIN | access)?;
    Ok(root.to_owned())
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
fn hide_cgroups() -> io::Result<PathBuf> {
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
