//! `hostPath`: what is there must be what the pod says, or is made when the pod says so.

use std::fs::{DirBuilder, FileType, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt};

use super::VolumeError;
use crate::model::HostPathKind;

/// Checks the path, making what may be made.
pub(super) fn check(volume: &str, path: &str, kind: HostPathKind) -> Result<(), VolumeError> {
    let failed = |source| VolumeError::HostPath {
        volume: volume.to_owned(),
        path: path.to_owned(),
        source,
    };
    let Some((expected, fits)) = requirement(kind) else {
        return Ok(());
    };
    let found = match std::fs::metadata(path) {
        Ok(found) => Some(found.file_type()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    match (found, kind) {
        (Some(found), _) if fits(&found) => Ok(()),
        (None, HostPathKind::DirectoryOrCreate) => make_directory(path).map_err(failed),
        (None, HostPathKind::FileOrCreate) => make_file(path).map_err(failed),
        _ => Err(VolumeError::WrongType {
            volume: volume.to_owned(),
            path: path.to_owned(),
            expected,
        }),
    }
}

type Fits = fn(&FileType) -> bool;

/// What must be there, in words and as a test; nothing for the unchecked kind.
fn requirement(kind: HostPathKind) -> Option<(&'static str, Fits)> {
    match kind {
        HostPathKind::Unchecked => None,
        HostPathKind::DirectoryOrCreate | HostPathKind::Directory => {
            Some(("a directory", FileType::is_dir))
        }
        HostPathKind::FileOrCreate | HostPathKind::File => Some(("a file", FileType::is_file)),
        HostPathKind::Socket => Some(("a socket", FileType::is_socket)),
        HostPathKind::CharDevice => Some(("a character device", FileType::is_char_device)),
        HostPathKind::BlockDevice => Some(("a block device", FileType::is_block_device)),
    }
}

fn make_directory(path: &str) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(path)
}

/// The directory it is in must be there.
fn make_file(path: &str) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644)
        .open(path)
        .map(drop)
}
