//! Writes the entries of a layer below its directory, in the form overlayfs wants.
//!
//! Every entry is made by name in the descriptor of its parent directory, and the parent is resolved
//! by the kernel with the layer's directory as root. An entry never writes through what an earlier
//! entry left: that is removed first, and files are created with `O_EXCL`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};

use super::attributes::{self, Owner};
use super::error::UnpackError;
use super::limits::Limits;
use super::name::{self, Location, Name};
use super::parents;
use super::pax::Time;
use super::tar::{Archive, Content, Entry};
use crate::sys::beneath::{Kind, Root, kind, subdirectory};
use crate::sys::remove::remove_tree_at;

const BUFFER: usize = 128 << 10;
/// What one block of a usual file system holds.
const BLOCK: u64 = 4096;

/// A layer's directory while it is filled.
pub(super) struct Tree {
    root: Root,
    limits: Limits,
    /// The parent of the entry before: archives go directory by directory.
    last_parent: Option<(PathBuf, OwnedFd)>,
    /// Directories that the archive did not name, by inode.
    pub(super) implicit: BTreeMap<u64, PathBuf>,
    /// Times of directories, set at the end because every new entry changes them.
    directory_times: Vec<(PathBuf, Time)>,
    directory_bytes: usize,
    buffer: Vec<u8>,
    pub(super) footprint: Footprint,
}

/// What a layer takes on the disk, as counted while it was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footprint {
    /// Bytes, in whole blocks.
    pub bytes: u64,
    /// Files, directories, links and devices.
    pub inodes: u64,
}

/// What was made of a layer.
#[derive(Debug)]
pub struct Finished {
    /// Directories the archive did not name; the empty path is the layer's root.
    pub implicit: Vec<PathBuf>,
    /// What it takes on the disk.
    pub footprint: Footprint,
}

impl Tree {
    /// Begins to fill an empty directory.
    pub(super) fn new(directory: &Path, limits: Limits) -> Result<Self, UnpackError> {
        let root = Root::open(directory).map_err(failed("open", directory))?;
        let inode = attributes::inode(&root).map_err(failed("open", directory))?;
        Ok(Self {
            root,
            limits,
            last_parent: None,
            implicit: BTreeMap::from([(inode, PathBuf::new())]),
            directory_times: Vec::new(),
            directory_bytes: 0,
            buffer: vec![0; BUFFER],
            footprint: Footprint {
                bytes: BLOCK,
                inodes: 1,
            },
        })
    }

    /// Writes one entry; a file's content comes from the archive.
    pub(super) fn apply<R: Read>(
        &mut self,
        entry: &Entry,
        archive: &mut Archive<R>,
    ) -> Result<(), UnpackError> {
        match name::parse(&entry.name)? {
            Name::Root => self.apply_root(entry),
            Name::Path(at) => self.place(&at, entry, archive),
            Name::Whiteout(at) => self.hide(&at),
            Name::Opaque(directory) => self.make_opaque(&directory),
            Name::Ignored => Ok(()),
        }
    }

    /// Sets the times that had to wait.
    pub(super) fn finish(self) -> Result<Finished, UnpackError> {
        for (path, time) in &self.directory_times {
            // A later entry may have put something else in its place.
            if let Ok(directory) = self.root.directory(path) {
                attributes::set_times(&directory, *time)
                    .map_err(failed("set the time of", path))?;
            }
        }
        Ok(Finished {
            implicit: self.implicit.into_values().collect(),
            footprint: self.footprint,
        })
    }

    fn apply_root(&mut self, entry: &Entry) -> Result<(), UnpackError> {
        if entry.content != Content::Directory {
            let name = String::from_utf8_lossy(&entry.name).into_owned();
            return Err(UnpackError::Unsupported {
                name,
                what: "a root that is no directory",
            });
        }
        let root = self
            .root
            .directory(Path::new(""))
            .map_err(failed("open", "."))?;
        self.describe_directory(&root, Path::new(""), entry)
    }

    fn place<R: Read>(
        &mut self,
        at: &Location,
        entry: &Entry,
        archive: &mut Archive<R>,
    ) -> Result<(), UnpackError> {
        let parent = self.parent(&at.parent)?;
        let before = kind(&parent, &at.name).map_err(failed("look at", at.path()))?;
        if let Content::CharacterDevice(0, 0) = entry.content {
            return self.hide(at);
        }
        if before.is_some()
            && (entry.content != Content::Directory || before != Some(Kind::Directory))
        {
            remove_tree_at(&parent, &at.name).map_err(failed("replace", at.path()))?;
            self.last_parent = None;
        }
        match &entry.content {
            Content::Directory => self.place_directory(&parent, at, entry, before)?,
            Content::File(_) => self.place_file(&parent, at, entry, archive)?,
            Content::Symlink(target) => {
                let target = OsStr::from_bytes(target);
                rustix::fs::symlinkat(target, &parent, &at.name)
                    .map_err(failed("link", at.path()))?;
                self.describe_node(&parent, at, entry)?;
            }
            Content::HardLink(target) => self.place_hard_link(&parent, at, target)?,
            Content::Fifo => self.place_node(&parent, at, entry, FileType::Fifo, 0)?,
            Content::CharacterDevice(major, minor) => {
                let device = rustix::fs::makedev(*major, *minor);
                self.place_node(&parent, at, entry, FileType::CharacterDevice, device)?;
            }
            Content::BlockDevice(major, minor) => {
                let device = rustix::fs::makedev(*major, *minor);
                self.place_node(&parent, at, entry, FileType::BlockDevice, device)?;
            }
        }
        self.last_parent = self
            .last_parent
            .take()
            .or(Some((at.parent.clone(), parent)));
        Ok(())
    }

    fn place_directory(
        &mut self,
        parent: &OwnedFd,
        at: &Location,
        entry: &Entry,
        before: Option<Kind>,
    ) -> Result<(), UnpackError> {
        if before != Some(Kind::Directory) {
            rustix::fs::mkdirat(parent, &at.name, Mode::RWXU).map_err(failed("make", at.path()))?;
            self.count(BLOCK);
        }
        let directory = subdirectory(parent, &at.name).map_err(failed("open", at.path()))?;
        if !matches!(before, None | Some(Kind::Directory)) {
            // What stood here hid the layers below; the directory must go on hiding them.
            attributes::make_opaque(&directory).map_err(failed("make opaque", at.path()))?;
        }
        self.describe_directory(&directory, &at.path(), entry)
    }

    fn place_file<R: Read>(
        &mut self,
        parent: &OwnedFd,
        at: &Location,
        entry: &Entry,
        archive: &mut Archive<R>,
    ) -> Result<(), UnpackError> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let file = rustix::fs::openat(parent, &at.name, flags, mode)
            .map_err(failed("create", at.path()))?;
        let mut file = std::fs::File::from(file);
        let mut size = 0;
        loop {
            let got = archive.read(&mut self.buffer)?;
            if got == 0 {
                break;
            }
            io::Write::write_all(&mut file, &self.buffer[..got])
                .map_err(failed("write", at.path()))?;
            size += got as u64;
        }
        self.count(size.next_multiple_of(BLOCK));
        attributes::apply(&file, Owner::of(entry), entry.mode, &entry.xattrs)
            .and_then(|()| attributes::set_times(&file, entry.mtime))
            .map_err(failed("set the attributes of", at.path()))
    }

    fn place_hard_link(
        &mut self,
        parent: &OwnedFd,
        at: &Location,
        target: &[u8],
    ) -> Result<(), UnpackError> {
        let target = name::parse_link(target)?;
        let from = self
            .root
            .directory(&target.parent)
            .map_err(failed("link to", target.path()))?;
        rustix::fs::linkat(&from, &target.name, parent, &at.name, AtFlags::empty())
            .map_err(failed("link to", target.path()))
    }

    fn place_node(
        &mut self,
        parent: &OwnedFd,
        at: &Location,
        entry: &Entry,
        file_type: FileType,
        device: rustix::fs::Dev,
    ) -> Result<(), UnpackError> {
        let mode = Mode::from_raw_mode(entry.mode);
        rustix::fs::mknodat(parent, &at.name, file_type, mode, device)
            .map_err(failed("make", at.path()))?;
        self.describe_node(parent, at, entry)?;
        // Not through the creation mode: the process's umask applies to that.
        rustix::fs::chmodat(parent, &at.name, mode, AtFlags::empty())
            .map_err(failed("set the mode of", at.path()))
    }

    fn describe_node(
        &mut self,
        parent: &OwnedFd,
        at: &Location,
        entry: &Entry,
    ) -> Result<(), UnpackError> {
        self.count(0);
        attributes::apply_to_node(parent, &at.name, Owner::of(entry), entry.mtime)
            .map_err(failed("set the attributes of", at.path()))
    }

    fn describe_directory(
        &mut self,
        directory: &OwnedFd,
        path: &Path,
        entry: &Entry,
    ) -> Result<(), UnpackError> {
        attributes::apply(directory, Owner::of(entry), entry.mode, &entry.xattrs)
            .map_err(failed("set the attributes of", path))?;
        if !self.implicit.is_empty() {
            let inode = attributes::inode(directory).map_err(failed("look at", path))?;
            self.implicit.remove(&inode);
        }
        self.directory_bytes += path.as_os_str().len() + size_of::<(PathBuf, Time)>();
        if self.directory_bytes > self.limits.directories {
            let limit = self.limits.directories as u64;
            return Err(UnpackError::TooLarge {
                limit,
                what: "bytes of directory names",
            });
        }
        self.directory_times.push((path.to_owned(), entry.mtime));
        Ok(())
    }

    /// Hides a name of the layers below. What this layer has under the name itself stays.
    fn hide(&mut self, at: &Location) -> Result<(), UnpackError> {
        let parent = self.parent(&at.parent)?;
        match kind(&parent, &at.name).map_err(failed("look at", at.path()))? {
            None => {
                self.count(0);
                attributes::make_whiteout(&parent, &at.name).map_err(failed("hide", at.path()))
            }
            Some(Kind::Directory) => self.make_opaque(&at.path()),
            Some(_) => Ok(()),
        }
    }

    fn make_opaque(&mut self, path: &Path) -> Result<(), UnpackError> {
        let directory = self.parent(path)?;
        attributes::make_opaque(&directory).map_err(failed("make opaque", path))
    }

    /// The directory `path`, made if the archive did not name it before.
    fn parent(&mut self, path: &Path) -> Result<OwnedFd, UnpackError> {
        if let Some((last, directory)) = self.last_parent.take()
            && last == path
        {
            return Ok(directory);
        }
        match self.root.directory(path) {
            Ok(directory) => Ok(directory),
            Err(_) => {
                let made = parents::make(&self.root, path).map_err(failed("make", path))?;
                for (inode, path) in made.created {
                    self.count(BLOCK);
                    self.implicit.insert(inode, path);
                }
                Ok(made.directory)
            }
        }
    }

    fn count(&mut self, bytes: u64) {
        self.footprint.bytes += bytes;
        self.footprint.inodes += 1;
    }
}

fn failed<E: Into<io::Error>, P: AsRef<Path>>(
    attempted: &'static str,
    path: P,
) -> impl FnOnce(E) -> UnpackError {
    move |error| UnpackError::Write {
        attempted,
        path: path.as_ref().to_owned(),
        source: error.into(),
    }
}
