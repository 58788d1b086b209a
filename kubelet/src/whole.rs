//! Files that are their owner's alone, and there as a whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Writes a file of mode 0600 that appears whole, and lasts.
pub fn write_private(file: &Path, content: impl AsRef<[u8]>) -> io::Result<()> {
    write(file, content.as_ref())?.sync_all()?;
    appear(file)?;
    File::open(directory_of(file))?.sync_all()
}

/// The same of what is of no use once the machine has stopped, and so waits for no disk.
pub(crate) fn write_for_this_boot(file: &Path, content: impl AsRef<[u8]>) -> io::Result<()> {
    write(file, content.as_ref())?;
    appear(file)
}

/// Writes what is to appear, beside the file.
fn write(file: &Path, content: &[u8]) -> io::Result<File> {
    fs::create_dir_all(directory_of(file))?;
    let begun = begun(file);
    // What a crash has left may be anything, and anybody's.
    match fs::remove_file(&begun) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let options = options.write(true).create_new(true).mode(0o600);
    let mut open = options.open(&begun)?;
    open.write_all(content)?;
    Ok(open)
}

fn appear(file: &Path) -> io::Result<()> {
    fs::rename(begun(file), file)
}

fn begun(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    directory_of(file).join(name)
}

fn directory_of(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new("/"))
}
