//! The file system that writable layers lie on.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A file system's size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSystem {
    /// What is mounted, such as `/dev/sda1`.
    pub device: String,
    /// Bytes in all.
    pub bytes: u64,
    /// Inodes in all; 0 where they are made as needed.
    pub inodes: u64,
    /// Inodes that are free.
    pub free_inodes: u64,
}

/// The file system of `path`.
pub(super) fn of(path: &Path) -> Option<FileSystem> {
    let size = rustix::fs::statvfs(path).ok()?;
    let mounts = fs::read("/proc/self/mountinfo").unwrap_or_default();
    Some(FileSystem {
        device: device(&mounts, path).unwrap_or_default(),
        bytes: size.f_blocks * size.f_frsize,
        inodes: size.f_files,
        free_inodes: size.f_favail,
    })
}

/// What is mounted where `path` lies: of the mount points above it the longest, and of several
/// there the last.
fn device(mounts: &[u8], path: &Path) -> Option<String> {
    let mount = |line: &[u8]| -> Option<(usize, String)> {
        let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let point = unescaped(words.get(4)?);
        if !path.starts_with(&point) {
            return None;
        }
        let separator = words.iter().position(|word| *word == b"-")?;
        let source = String::from_utf8_lossy(words.get(separator + 2)?);
        Some((point.as_os_str().len(), source.into_owned()))
    };
    let above = mounts.split(|byte| *byte == b'\n').filter_map(mount);
    above
        .max_by_key(|(length, _)| *length)
        .map(|(_, source)| source)
}

/// Spaces and the like are written as three octal digits.
fn unescaped(word: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((&first, after)) = rest.split_first() {
        let escaped = after
            .get(..3)
            .filter(|_| first == b'\\')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        bytes.push(escaped.unwrap_or(first));
        rest = if escaped.is_some() {
            &after[3..]
        } else {
            after
        };
    }
    PathBuf::from(OsStr::from_bytes(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &[u8] = b"25 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
        30 25 0:26 / /run rw - tmpfs tmpfs rw\n\
        31 25 8:1 / /var/lib/my\\040pods rw - xfs /dev/sdb1 rw\n\
        32 25 8:2 / /var/lib/my\\040pods rw - xfs /dev/sdc1 rw\n";

    #[test]
    fn the_nearest_mount_above_a_path_is_its_device() {
        for (path, expected) in [
            ("/var/lib/podling", "/dev/vda"),
            ("/run/x", "tmpfs"),
            ("/running", "/dev/vda"),
            ("/var/lib/my pods/a", "/dev/sdc1"),
        ] {
            let found = device(MOUNTS, Path::new(path));
            assert_eq!(found.as_deref(), Some(expected), "{path}");
        }
    }

    #[test]
    fn the_root_has_a_size() {
        assert!(of(Path::new("/")).unwrap().bytes > 0);
    }
}
