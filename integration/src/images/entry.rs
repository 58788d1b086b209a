//! One entry of a layer: a file, directory, link or device, with owner, mode and attributes.

use std::collections::BTreeMap;

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file and its contents.
    File(Vec<u8>),
    /// A directory.
    Directory,
    /// A symbolic link and what it says.
    Symlink(String),
    /// Another name of the entry at this path.
    Hardlink(String),
    /// A character device.
    Character(Device),
    /// A block device.
    Block(Device),
    /// A named pipe.
    Fifo,
}

/// The numbers of a device node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
}

/// An entry of a layer. Paths are written as they are given: `../x` stays `../x`, so that hostile
/// layers can be made too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Path below the root, without a leading slash.
    pub path: String,
    /// What is there.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Extended attributes.
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

impl Entry {
    /// A regular file of mode 0644.
    pub fn file(path: impl Into<String>, contents: impl Into<Vec<u8>>) -> Self {
        Self::new(path, Kind::File(contents.into()), 0o644)
    }

    /// A regular file of mode 0755.
    pub fn program(path: impl Into<String>, contents: impl Into<Vec<u8>>) -> Self {
        Self::file(path, contents).mode(0o755)
    }

    /// A directory of mode 0755.
    pub fn directory(path: impl Into<String>) -> Self {
        Self::new(path, Kind::Directory, 0o755)
    }

    /// A symbolic link.
    pub fn symlink(path: impl Into<String>, target: impl Into<String>) -> Self {
        Self::new(path, Kind::Symlink(target.into()), 0o777)
    }

    /// Another name of the file at `target`.
    pub fn hardlink(path: impl Into<String>, target: impl Into<String>) -> Self {
        Self::new(path, Kind::Hardlink(target.into()), 0o644)
    }

    /// A character device of mode 0666.
    pub fn character(path: impl Into<String>, device: Device) -> Self {
        Self::new(path, Kind::Character(device), 0o666)
    }

    /// A block device of mode 0660.
    pub fn block(path: impl Into<String>, device: Device) -> Self {
        Self::new(path, Kind::Block(device), 0o660)
    }

    /// A named pipe of mode 0644.
    pub fn fifo(path: impl Into<String>) -> Self {
        Self::new(path, Kind::Fifo, 0o644)
    }

    /// The mark that `path` of a lower layer is gone.
    pub fn whiteout(path: &str) -> Self {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        Self::file(below(parent, &format!(".wh.{name}")), [])
    }

    /// The mark that nothing of lower layers shows in `directory`.
    pub fn opaque(directory: &str) -> Self {
        Self::file(below(directory, ".wh..wh..opq"), [])
    }

    /// Sets the permission bits.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Sets the owner.
    #[must_use]
    pub fn owner(mut self, uid: u32, gid: u32) -> Self {
        (self.uid, self.gid) = (uid, gid);
        self
    }

    /// Adds an extended attribute.
    #[must_use]
    pub fn xattr(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.xattrs.insert(name.to_owned(), value.into());
        self
    }

    fn new(path: impl Into<String>, kind: Kind, mode: u32) -> Self {
        Self {
            path: path.into(),
            kind,
            mode,
            uid: 0,
            gid: 0,
            xattrs: BTreeMap::new(),
        }
    }
}

fn below(directory: &str, name: &str) -> String {
    match directory {
        "" => name.to_owned(),
        directory => format!("{directory}/{name}"),
    }
}
