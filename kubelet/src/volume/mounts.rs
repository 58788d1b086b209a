//! What is mounted on the node for a pod, as the kernel lists it: nothing else has to be remembered.

use std::ffi::{CString, OsString};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::VolumeError;

/// A filesystem of the kernel's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InMemory {
    /// Files of up to so many bytes.
    Tmpfs(u64),
    /// Pages of so many bytes.
    HugePages(u64),
}

/// Mounts it at a directory; the group, if there is one, may use it and passes itself on.
pub(super) fn mount_memory(
    path: &Path,
    filesystem: InMemory,
    group: Option<u32>,
) -> io::Result<()> {
    let owner = match group {
        Some(group) => format!("mode=3777,gid={group}"),
        None => "mode=1777".to_owned(),
    };
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    let attempt = |kind: &str, options: String| {
        let options = CString::new(options).expect("no zero byte is in numbers and words");
        mount(kind, path, kind, flags, options.as_c_str())
    };
    match filesystem {
        InMemory::HugePages(page) => Ok(attempt("hugetlbfs", format!("pagesize={page},{owner}"))?),
        InMemory::Tmpfs(bytes) => {
            let options = format!("size={bytes},{owner}");
            // What is in memory must not be written to disk; kernels before 6.4 do not know how.
            match attempt("tmpfs", format!("{options},noswap")) {
                Err(Errno::INVAL) => Ok(attempt("tmpfs", options)?),
                done => Ok(done?),
            }
        }
    }
}

/// Unmounts all that is mounted below a directory, the newest first.
pub(super) fn unmount_below(directory: &Path) -> Result<(), VolumeError> {
    let failed = |source| VolumeError::Remove {
        path: directory.to_owned(),
        source,
    };
    let directory = match std::fs::canonicalize(directory) {
        Ok(directory) => directory,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    for point in mount_points(&directory).map_err(failed)?.iter().rev() {
        unmount_if_mounted(point).map_err(failed)?;
    }
    Ok(())
}

fn mount_points(below: &Path) -> io::Result<Vec<PathBuf>> {
    let list = std::fs::read("/proc/self/mountinfo")?;
    let points = list
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == b' ').nth(4))
        .map(unescaped);
    Ok(points
        .filter(|point| point.starts_with(below) && point != below)
        .collect())
}

/// The kernel writes blanks and backslashes as `\040`.
fn unescaped(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        let octal = |digits: &[u8]| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 8).ok()
        };
        match (first, tail.get(..3).and_then(octal)) {
            (b'\\', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    OsString::from_vec(bytes).into()
}

/// Detaches the mounts at `path`; a path that is not there has none.
pub(super) fn unmount_if_mounted(path: &Path) -> io::Result<()> {
    while is_mount(path)? {
        unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)?;
    }
    Ok(())
}

/// Whether another filesystem, or another part of one, begins here.
pub(super) fn is_mount(path: &Path) -> io::Result<bool> {
    use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    let found = match statx(CWD, path, flags, StatxFlags::BASIC_STATS) {
        Err(Errno::NOENT) => return Ok(false),
        found => found?,
    };
    if found
        .stx_attributes_mask
        .contains(StatxAttributes::MOUNT_ROOT)
    {
        return Ok(found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT));
    }
    // Kernels before 5.8 do not say; a device of its own is what a tmpfs has.
    let parent = path.parent().unwrap_or(Path::new("/"));
    Ok(std::fs::symlink_metadata(path)?.dev() != std::fs::symlink_metadata(parent)?.dev())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_escapes_are_read() {
        let rows = [
            ("/a b", "/a\\040b"),
            ("/a\\b", "/a\\134b"),
            ("/a\\", "/a\\"),
        ];
        for (path, field) in rows {
            assert_eq!(unescaped(field.as_bytes()), PathBuf::from(path));
        }
    }
}
