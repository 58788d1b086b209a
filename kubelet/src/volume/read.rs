//! Reads a file that a container wrote onto a volume, without being led out of the volume.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

/// More than any list of variables needs.
const LONGEST: u64 = 1 << 20;

/// The text of a file inside a volume; links lead around inside the volume alone.
pub(crate) fn read_inside(volume: &Path, path: &str) -> io::Result<String> {
    let root = File::open(volume)?;
    // A pipe put there would hold up whoever opens it.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let file = File::from(openat2(&root, path, flags, Mode::empty(), inside)?);
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    if found.len() > LONGEST {
        return Err(io::Error::other("longer than 1 MiB"));
    }
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text)?;
    Ok(text)
}
