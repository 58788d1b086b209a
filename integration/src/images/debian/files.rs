//! The files of unpacked packages, in memory, by path.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

use tar::EntryType;

use super::{DebianError, cache};
use crate::images::entry::{Entry, Kind};

/// Directories that Debian has moved below /usr and packages still name as before.
const MOVED: [&str; 4] = ["bin", "lib", "lib64", "sbin"];

/// A link that points at itself would be followed forever.
const MOST_LINKS: usize = 8;

/// The files and links of some packages.
#[derive(Clone, Debug, Default)]
pub struct Files {
    entries: BTreeMap<String, Entry>,
}

impl Files {
    /// Adds the files of a package.
    pub fn add_package(&mut self, package: &Path) -> Result<(), DebianError> {
        let archive = cache::file_archive(package)?;
        self.add_archive(&archive)
            .map_err(|source| DebianError::Unpack {
                package: package.to_owned(),
                source,
            })
    }

    /// The entry at `path`.
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// The regular file that `path` leads to, and the links on the way, those first.
    pub fn follow(&self, path: &str) -> Result<Vec<&Entry>, DebianError> {
        let mut way = Vec::new();
        let mut next = path.to_owned();
        while way.len() < MOST_LINKS {
            let Some(entry) = self.get(&next) else { break };
            way.push(entry);
            match &entry.kind {
                Kind::Symlink(target) => next = resolve(&next, target),
                _ => return Ok(way),
            }
        }
        Err(DebianError::NoFile(path.to_owned()))
    }

    fn add_archive(&mut self, archive: &[u8]) -> io::Result<()> {
        for entry in tar::Archive::new(archive).entries()? {
            let mut entry = entry?;
            let path = merged(&String::from_utf8_lossy(&entry.path_bytes()));
            let mode = entry.header().mode()?;
            let made = match entry.header().entry_type() {
                EntryType::Regular => {
                    let mut contents = Vec::new();
                    entry.read_to_end(&mut contents)?;
                    Entry::file(path.as_str(), contents).mode(mode)
                }
                EntryType::Symlink => {
                    let target = entry.link_name_bytes().unwrap_or_default();
                    Entry::symlink(path.as_str(), String::from_utf8_lossy(&target))
                }
                // Directories are made as images need them; nothing taken here has other kinds.
                _ => continue,
            };
            self.entries.insert(path, made);
        }
        Ok(())
    }
}

/// `./lib/x` is `usr/lib/x`.
pub(super) fn merged(path: &str) -> String {
    let path = path.trim_start_matches('.').trim_start_matches('/');
    let first = path.split('/').next().unwrap_or_default();
    if MOVED.contains(&first) {
        format!("usr/{path}")
    } else {
        path.to_owned()
    }
}

/// Where a link at `from` leads.
fn resolve(from: &str, target: &str) -> String {
    if target.starts_with('/') {
        return merged(target);
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            part => parts.push(part),
        }
    }
    merged(&parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::layer::Layer;

    fn files(entries: impl IntoIterator<Item = Entry>) -> Files {
        let mut files = Files::default();
        files.add_archive(&Layer::of(entries).tar(0)).unwrap();
        files
    }

    #[test]
    fn old_paths_lead_below_usr() {
        let files = files([Entry::file("./lib/x86_64-linux-gnu/libc.so.6", "elf")]);
        assert!(files.get("usr/lib/x86_64-linux-gnu/libc.so.6").is_some());
    }

    #[test]
    fn links_are_followed_to_the_file() {
        let files = files([
            Entry::symlink("./lib64/ld.so", "../lib/ld.so"),
            Entry::symlink("./usr/lib/ld.so", "/lib/real/ld.so"),
            Entry::file("./lib/real/ld.so", "elf"),
        ]);
        let way: Vec<&str> = files
            .follow("usr/lib64/ld.so")
            .unwrap()
            .iter()
            .map(|e| e.path.as_str())
            .collect();
        assert_eq!(
            way,
            ["usr/lib64/ld.so", "usr/lib/ld.so", "usr/lib/real/ld.so"]
        );
    }

    #[test]
    fn a_link_to_itself_is_no_file() {
        let files = files([Entry::symlink("./a", "a")]);
        assert!(matches!(files.follow("a"), Err(DebianError::NoFile(_))));
    }
}
