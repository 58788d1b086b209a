//! Files of this machine as a tar archive.

use std::fs;
use std::io;
use std::path::Path;

use crate::session::transfer::Inlet;

/// Packs a file, or a directory with all in it, under another name. Links stay links; what is neither
/// file, directory nor link is passed over.
pub(super) fn pack(from: &Path, name: &str, archive: Inlet) -> io::Result<()> {
    let mut archive = tar::Builder::new(io::BufWriter::with_capacity(64 * 1024, archive));
    archive.follow_symlinks(false);
    add(&mut archive, from, Path::new(name))?;
    archive.into_inner()?.into_inner()?;
    Ok(())
}

fn add<W: io::Write>(archive: &mut tar::Builder<W>, from: &Path, name: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(from)?;
    if !metadata.is_dir() {
        let is_known = metadata.is_file() || metadata.is_symlink();
        return match is_known {
            true => archive.append_path_with_name(from, name),
            false => Ok(()),
        };
    }
    let mut entries: Vec<_> = fs::read_dir(from)?.collect::<Result<_, _>>()?;
    if entries.is_empty() {
        return archive.append_dir(name, from);
    }
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        add(archive, &entry.path(), &name.join(entry.file_name()))?;
    }
    Ok(())
}
