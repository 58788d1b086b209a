//! Whether what a runtime has made is a container that podling can look after.
//!
//! Logs, ends and execs rest on the process: it must be the monitor's child, and it must see the root that
//! was staged. The process of a runtime that puts a kernel of its own between is neither, and an exec
//! that entered its namespaces would run outside of the sandbox that the pod was promised.

use std::fs;
use std::os::linux::fs::MetadataExt;
use std::path::Path;

use rustix::process::getppid;

/// Says what is wrong with the process `pid` of a container whose root is at `rootfs`.
pub(super) fn check(pid: i32, rootfs: &Path) -> Result<(), String> {
    let monitor = getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
    match parent(pid) {
        Some(parent) if parent == monitor => {}
        Some(_) => return Err("is not podling's child, so its end would not be seen".to_owned()),
        None => return Err("is gone".to_owned()),
    }
    if sees(pid, rootfs) {
        Ok(())
    } else {
        let why = "does not see the container's root: runtimes with a kernel of their own \
                   are not supported";
        Err(why.to_owned())
    }
}

fn parent(pid: i32) -> Option<i32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    line.trim().parse().ok()
}

fn sees(pid: i32, rootfs: &Path) -> bool {
    let of_process = fs::metadata(format!("/proc/{pid}/root/"));
    match (of_process, fs::metadata(rootfs)) {
        (Ok(one), Ok(other)) => one.st_dev() == other.st_dev() && one.st_ino() == other.st_ino(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_not_a_siblings_or_sees_another_root_is_told_apart() {
        let own = i32::try_from(std::process::id()).expect("a pid");
        assert_eq!(check(own, Path::new("/")), Ok(()));
        let dir = tempfile::tempdir().expect("a directory");
        let error = check(own, dir.path()).expect_err("another root");
        assert!(error.contains("does not see"), "{error}");
        let error = check(1, Path::new("/")).expect_err("not a sibling");
        assert!(error.contains("not podling's child"), "{error}");
    }
}
