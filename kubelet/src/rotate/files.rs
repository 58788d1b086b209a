//! Carries a plan out on the files of one log. Every step can be repeated.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::names::{PACKED, UNFINISHED};
use super::plan::Plan;

/// Why a log could not be rotated; it is tried again in the next round.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("cannot look at {path}")]
    Look {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot remove old log {path}")]
    Remove {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot pack old log {path}")]
    Pack {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot rename log {from} to {to}")]
    Rename {
        from: PathBuf,
        to: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// How large a log is; nothing when it is not there.
pub(super) fn size(log: &Path) -> Result<Option<u64>, FileError> {
    match fs::symlink_metadata(log) {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(FileError::Look {
            path: log.to_owned(),
            source,
        }),
    }
}

/// The names of all files in the log's directory.
pub(super) fn beside(log: &Path) -> Result<Vec<String>, FileError> {
    let directory = log.parent().unwrap_or(Path::new("/"));
    let names = || -> io::Result<Vec<String>> {
        fs::read_dir(directory)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    };
    names().map_err(|source| FileError::Look {
        path: directory.to_owned(),
        source,
    })
}

/// Removes and packs what the plan names.
pub(super) fn make_room(log: &Path, plan: &Plan) -> Result<(), FileError> {
    for name in plan.unused.iter().chain(&plan.excess) {
        let path = log.with_file_name(name);
        remove(&path).map_err(|source| FileError::Remove { path, source })?;
    }
    for name in &plan.pack {
        let path = log.with_file_name(name);
        pack(&path).map_err(|source| FileError::Pack { path, source })?;
    }
    Ok(())
}

/// Gives a file another name, unless something has that name already: nothing is ever overwritten.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), FileError> {
    let renamed = match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // A file system that cannot do both at once.
        Err(Errno::INVAL) if fs::symlink_metadata(to).is_err() => fs::rename(from, to),
        renamed => renamed.map_err(io::Error::from),
    };
    renamed.map_err(|source| FileError::Rename {
        from: from.to_owned(),
        to: to.to_owned(),
        source,
    })
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Packs a file; the plain one goes once the packed one is safe on the disk.
fn pack(path: &Path) -> io::Result<()> {
    let with = |suffix: &str| PathBuf::from(format!("{}{suffix}", path.display()));
    let (unfinished, packed) = (with(UNFINISHED), with(PACKED));
    let written = write_packed(path, &unfinished).and_then(|()| fs::rename(&unfinished, &packed));
    if written.is_err() {
        // The next round would remove it as well.
        let _ = fs::remove_file(&unfinished);
    }
    written?;
    remove(path)
}

fn write_packed(path: &Path, to: &Path) -> io::Result<()> {
    let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).expect("flags are an int");
    let mut plain = OpenOptions::new()
        .read(true)
        .custom_flags(no_follow)
        .open(path)?;
    let metadata = plain.metadata()?;
    // What is there is of an earlier try.
    remove(to)?;
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(metadata.mode() & 0o777)
        .open(to)?;
    let mut encoder = GzEncoder::new(file, Compression::default());
    io::copy(&mut plain, &mut encoder)?;
    let file: File = encoder.finish()?;
    file.sync_all()
}
