//! Files that are their owner's alone, and there as a whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Writes a file of mode 0600 that appears whole, and lasts.
pub fn write_private(file: &Path, content: impl AsRef<[u8]>) -> io::Result<()> {
    let directory = file.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(directory)?;
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let begun = directory.join(name);
    // What a crash has left may be anything, and anybody's.
    match fs::remove_file(&begun) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut open = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&begun)?;
    open.write_all(content.as_ref())?;
    open.sync_all()?;
    fs::rename(&begun, file)?;
    File::open(directory)?.sync_all()
}
