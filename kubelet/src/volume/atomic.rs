//! Changes the files of a volume all at once, while containers read them.
//!
//! ```text
//! volume/..2026_11_26_08_00_00.123456789/   the files
//! volume/..data     ─► ..2026_11_26_08_00_00.123456789
//! volume/colour     ─► ..data/colour
//! ```
//!
//! New files are written to a directory of their own; renaming a link over `..data` shows all of
//! them in one step. A write that was cut short left nothing that counts: the next one removes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::ownership::Ownership;
use super::remove_tree;

/// The link that containers see files through.
const DATA: &str = "..data";
/// Where it is made.
const NEW_DATA: &str = "..data_tmp";

/// The files of a volume, by their path inside it.
pub type Payload = BTreeMap<String, PayloadFile>;

/// One file of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadFile {
    /// What is in it.
    pub bytes: Vec<u8>,
    /// Its mode bits.
    pub mode: u32,
    /// The user it belongs to, if not to root.
    pub owner: Option<u32>,
}

/// Whether files were ever written to a volume.
pub(super) fn is_written(volume: &Path) -> bool {
    volume.join(DATA).exists()
}

/// Makes the volume have these files and no others; one that has them is left as it is.
pub(super) fn write(
    volume: &Path,
    payload: &Payload,
    ownership: Option<Ownership>,
) -> io::Result<()> {
    let old = match fs::read_link(volume.join(DATA)) {
        Ok(name) => Some(name),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    sweep(volume, old.as_deref())?;
    let is_current = match &old {
        Some(old) => holds(&volume.join(old), payload)?,
        None => false,
    };
    if !is_current {
        let name = fill(volume, payload, ownership)?;
        symlink(&name, volume.join(NEW_DATA))?;
        fs::rename(volume.join(NEW_DATA), volume.join(DATA))?;
    }
    show(volume, payload)?;
    if let Some(ownership) = ownership {
        ownership.apply_to_links(volume)?;
    }
    match old.filter(|_| !is_current) {
        Some(old) => remove(&volume.join(old)),
        None => Ok(()),
    }
}

/// Removes what writes that were cut short have left.
fn sweep(volume: &Path, current: Option<&Path>) -> io::Result<()> {
    for entry in fs::read_dir(volume)? {
        let name = entry?.file_name();
        let is_ours = name.to_string_lossy().starts_with("..") && name != DATA;
        if !is_ours || current.is_some_and(|current| current.as_os_str() == name) {
            continue;
        }
        let path = volume.join(&name);
        if name == NEW_DATA {
            fs::remove_file(path)?;
        } else {
            remove(&path)?;
        }
    }
    Ok(())
}

fn remove(tree: &Path) -> io::Result<()> {
    remove_tree(tree).map_err(io::Error::other)
}

/// Whether the directory has exactly these files.
fn holds(directory: &Path, payload: &Payload) -> io::Result<bool> {
    let mut found = BTreeSet::new();
    match files(directory, Path::new(""), &mut found) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other?,
    }
    let wanted: BTreeSet<_> = payload.keys().map(PathBuf::from).collect();
    if found != wanted {
        return Ok(false);
    }
    for (path, file) in payload {
        if fs::read(directory.join(path))? != file.bytes {
            return Ok(false);
        }
    }
    Ok(true)
}

fn files(top: &Path, below: &Path, found: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(top.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            files(top, &path, found)?;
        } else {
            found.insert(path);
        }
    }
    Ok(())
}

/// Writes the files to a new directory; says its name.
fn fill(volume: &Path, payload: &Payload, ownership: Option<Ownership>) -> io::Result<PathBuf> {
    let now = Timestamp::now();
    let name = PathBuf::from(now.strftime("..%Y_%m_%d_%H_%M_%S.%N").to_string());
    let directory = volume.join(&name);
    make_directory(&directory)?;
    for (path, file) in payload {
        let path = directory.join(path);
        let parent = path.parent().expect("a file is in the directory");
        make_directories(&directory, parent)?;
        write_file(&path, file)?;
    }
    if let Some(ownership) = ownership {
        ownership.apply(&directory)?;
    }
    Ok(name)
}

fn make_directories(top: &Path, path: &Path) -> io::Result<()> {
    if path == top || path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().expect("it is below the top");
    make_directories(top, parent)?;
    make_directory(path)
}

/// The process umask must not narrow the mode.
fn make_directory(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o755).create(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

fn write_file(path: &Path, file: &PayloadFile) -> io::Result<()> {
    let mut open = fs::OpenOptions::new();
    let mut opened = open.write(true).create_new(true).mode(0o600).open(path)?;
    opened.write_all(&file.bytes)?;
    std::os::unix::fs::fchown(&opened, file.owner, None)?;
    opened.set_permissions(fs::Permissions::from_mode(file.mode & 0o777))
}

/// A link for every file or directory at the top, and none for those that are gone.
fn show(volume: &Path, payload: &Payload) -> io::Result<()> {
    let first = |path: &String| path.split('/').next().unwrap_or_default().to_owned();
    let wanted: BTreeSet<String> = payload.keys().map(first).collect();
    for name in &wanted {
        match symlink(Path::new(DATA).join(name), volume.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => other?,
        }
    }
    for entry in fs::read_dir(volume)? {
        let name = entry?.file_name();
        let is_wanted = name.to_str().is_some_and(|name| wanted.contains(name));
        let link = fs::read_link(volume.join(&name)).unwrap_or_default();
        // What else is there are mount points of other volumes.
        if !is_wanted && link.starts_with(DATA) && name != DATA {
            fs::remove_file(volume.join(name))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn payload(files: &[(&str, &str)]) -> Payload {
        let file = |(path, text): &(&str, &str)| {
            let bytes = text.as_bytes().to_vec();
            let file = PayloadFile {
                bytes,
                mode: 0o644,
                owner: None,
            };
            ((*path).to_owned(), file)
        };
        files.iter().map(file).collect()
    }

    fn names(volume: &Path) -> Vec<String> {
        let entries = fs::read_dir(volume).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name == DATA || !name.starts_with(".."))
            .collect();
        names.sort();
        names
    }

    fn read(volume: &Path, file: &str) -> String {
        fs::read_to_string(volume.join(file)).unwrap()
    }

    #[test]
    fn files_come_change_and_go_all_at_once() {
        let volume = tempfile::TempDir::new().unwrap();
        let volume = volume.path();
        write(volume, &payload(&[("a", "1"), ("d/b", "2")]), None).unwrap();
        assert_eq!(names(volume), ["..data", "a", "d"]);
        assert_eq!(
            (read(volume, "a"), read(volume, "d/b")),
            ("1".into(), "2".into())
        );
        let first = fs::read_link(volume.join(DATA)).unwrap();

        write(volume, &payload(&[("a", "1"), ("d/b", "2")]), None).unwrap();
        assert_eq!(
            fs::read_link(volume.join(DATA)).unwrap(),
            first,
            "nothing new is not written"
        );

        write(volume, &payload(&[("a", "3"), ("c", "4")]), None).unwrap();
        assert_eq!(names(volume), ["..data", "a", "c"]);
        assert_eq!(
            (read(volume, "a"), read(volume, "c")),
            ("3".into(), "4".into())
        );
        assert!(!volume.join(first).exists(), "the old files are removed");

        write(volume, &Payload::new(), None).unwrap();
        assert_eq!(names(volume), ["..data"]);
    }

    #[test]
    fn modes_are_the_files_own_whatever_the_umask() {
        let volume = tempfile::TempDir::new().unwrap();
        let mut files = payload(&[("a", "1")]);
        files.get_mut("a").unwrap().mode = 0o466;
        write(volume.path(), &files, None).unwrap();
        let mode = fs::metadata(volume.path().join("a")).unwrap().permissions();
        assert_eq!(mode.mode() & 0o7777, 0o466);
    }

    #[test]
    fn a_file_belongs_to_whom_it_is_for() {
        let volume = tempfile::TempDir::new().unwrap();
        let mut files = payload(&[("a", "1")]);
        let file = files.get_mut("a").unwrap();
        (file.mode, file.owner) = (0o600, Some(1234));
        write(volume.path(), &files, None).unwrap();
        let found = fs::metadata(volume.path().join("a")).unwrap();
        let expected = (1234, 0o600);
        assert_eq!((found.uid(), found.mode() & 0o777), expected);
    }

    #[test]
    fn what_a_write_that_was_cut_short_has_left_is_removed() {
        let volume = tempfile::TempDir::new().unwrap();
        let volume = volume.path();
        write(volume, &payload(&[("a", "1")]), None).unwrap();
        fs::create_dir_all(volume.join("..2001_01_01_00_00_00.1/d")).unwrap();
        symlink("..2001_01_01_00_00_00.1", volume.join(NEW_DATA)).unwrap();
        fs::create_dir(volume.join("mount-point")).unwrap();
        write(volume, &payload(&[("a", "2")]), None).unwrap();
        assert_eq!(names(volume), ["..data", "a", "mount-point"]);
        assert_eq!(fs::read_dir(volume).unwrap().count(), 4);
        assert_eq!(read(volume, "a"), "2");
    }
}
