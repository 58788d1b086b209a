//! Checking masked and read-only paths before the program runs.
//!
//! libcontainer applies them by path string, after which another container that shares a volume may
//! have swapped a directory for a symlink (GHSA-3q8j-pf29-vwv8). Here every path is opened beneath
//! the finished root, following no symlink that leads out, and looked at through the descriptor.

use std::os::fd::OwnedFd;
use std::path::Path;

use oci_spec::runtime::{Linux, Spec};
use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, StatVfsMountFlags, StatxFlags, fstatvfs,
    openat, openat2, statx,
};
use rustix::io::Errno;

use crate::monitor::protocol::{LaunchFailure, LaunchStage};

use super::failure::failure;

/// Looks at every path of the container whose first process is `pid`.
pub(super) fn protected_paths(pid: i32, spec: &Spec) -> Result<(), LaunchFailure> {
    let Some(linux) = spec.linux() else {
        return Ok(());
    };
    if paths(linux.readonly_paths()).next().is_none()
        && paths(linux.masked_paths()).next().is_none()
    {
        return Ok(());
    }
    check_all(pid, linux).map_err(|message| failure(LaunchStage::Verify, message))
}

fn check_all(pid: i32, linux: &Linux) -> Result<(), String> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(format!("/proc/{pid}/root"), flags, Mode::empty())
        .map_err(|errno| format!("opening the container's root: {errno}"))?;
    for path in paths(linux.readonly_paths()) {
        if let Some(file) = open_beneath(&root, path)? {
            is_read_only(&file)
                .then_some(())
                .ok_or(format!("{path} is not read-only"))?;
        }
    }
    for path in paths(linux.masked_paths()) {
        if let Some(file) = open_beneath(&root, path)? {
            is_masked(&file)
                .then_some(())
                .ok_or(format!("{path} is not masked"))?;
        }
    }
    Ok(())
}

fn paths(list: &Option<Vec<String>>) -> impl Iterator<Item = &String> {
    list.iter().flatten()
}

/// What is at `path` within the container's root; `None` if nothing is.
fn open_beneath(root: &OwnedFd, path: &str) -> Result<Option<OwnedFd>, String> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    match openat2(root, Path::new(path), flags, Mode::empty(), resolve) {
        Ok(file) => Ok(Some(file)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(errno) => Err(format!("{path} cannot be checked: {errno}")),
    }
}

fn is_read_only(file: &OwnedFd) -> bool {
    fstatvfs(file).is_ok_and(|stat| stat.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// A mask is /dev/null over a file, or an empty read-only file system over a directory.
fn is_masked(file: &OwnedFd) -> bool {
    let Ok(stat) = statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS) else {
        return false;
    };
    let is_null = stat.stx_rdev_major == 1 && stat.stx_rdev_minor == 3;
    match FileType::from_raw_mode(u32::from(stat.stx_mode)) {
        FileType::CharacterDevice => is_null,
        FileType::Directory => is_read_only(file) && is_empty(file).unwrap_or(false),
        _ => false,
    }
}

fn is_empty(directory: &OwnedFd) -> rustix::io::Result<bool> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = openat(directory, ".", flags, Mode::empty())?;
    for entry in Dir::new(directory)? {
        if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Takes this process for a container and its root for the container's.
    fn verify(kind: &str, path: &str) -> Result<(), String> {
        let spec = json!({"ociVersion": "1.2.0", "linux": {kind: [path]}});
        let spec = serde_json::from_value(spec).expect("a spec");
        let pid = i32::try_from(std::process::id()).expect("a pid");
        protected_paths(pid, &spec).map_err(|failure| failure.message)
    }

    #[test]
    fn row_18_a_path_that_is_not_protected_is_found() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().to_str().expect("a UTF-8 path");
        assert_eq!(
            verify("readonlyPaths", path),
            Err(format!("{path} is not read-only"))
        );
        std::fs::write(dir.path().join("file"), "").expect("a file");
        let file = format!("{path}/file");
        for path in [path, &file, "/dev/zero"] {
            assert_eq!(
                verify("maskedPaths", path),
                Err(format!("{path} is not masked"))
            );
        }
    }

    #[test]
    fn a_mask_or_nothing_at_all_is_protection() {
        assert_eq!(verify("maskedPaths", "/dev/null"), Ok(()));
        assert_eq!(verify("maskedPaths", "/no/such/path"), Ok(()));
        assert_eq!(verify("readonlyPaths", "/no/such/path"), Ok(()));
    }
}
