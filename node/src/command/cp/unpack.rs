//! A tar archive from a container, unpacked on this machine.
//!
//! Whoever made it may be hostile: names may lead elsewhere, and links would let later names do so.
//! Only files and directories below the destination are made, and no link of the archive.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

/// Unpacks what begins with `prefix` to `to`, or into it when it is a directory and one file comes.
/// Says what was passed over.
pub(super) fn unpack(archive: impl Read, prefix: &str, to: &Path) -> io::Result<Vec<String>> {
    let mut warnings = Vec::new();
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = entry.path()?.into_owned();
        let kind = entry.header().entry_type();
        let Some(rest) = below(&name, prefix) else {
            return Err(io::Error::other("tar contents corrupted"));
        };
        let Some(rest) = rest else {
            let target = to.join(&name);
            warnings.push(format!(
                "file {target:?} is outside target destination, skipping"
            ));
            continue;
        };
        let target = match rest.as_os_str().is_empty() && !kind.is_dir() && to.is_dir() {
            true => to.join(name.file_name().unwrap_or_default()),
            false if rest.as_os_str().is_empty() => to.to_owned(),
            false => to.join(&rest),
        };
        if kind.is_dir() {
            fs::create_dir_all(&target)?;
        } else if kind.is_symlink() || kind.is_hard_link() {
            let link = entry.link_name()?.unwrap_or_default().into_owned();
            warnings.push(format!("skipping symlink: {target:?} -> {link:?}"));
        } else if kind.is_file() {
            write(&mut entry, &target)?;
        } else {
            warnings.push(format!("skipping {target:?}, which is no file"));
        }
    }
    // What comes behind the archive is read, so that who writes it can end.
    io::copy(&mut archive.into_inner(), &mut io::sink())?;
    Ok(warnings)
}

/// The part of a name behind the prefix, if it has that; nothing of it when it leads elsewhere.
fn below(name: &Path, prefix: &str) -> Option<Option<PathBuf>> {
    let name = name.strip_prefix("/").unwrap_or(name);
    let rest = match prefix {
        "" => name,
        prefix => name.strip_prefix(prefix).ok()?,
    };
    let mut clean = PathBuf::new();
    for part in rest.components() {
        match part {
            Component::Normal(part) => clean.push(part),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return Some(None),
        }
    }
    Some(Some(clean))
}

/// A link that lies where the file shall be is not followed.
fn write(from: &mut impl Read, target: &Path) -> io::Result<()> {
    if let Some(directory) = target.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(target)?;
    io::copy(from, &mut file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(entries: &[(&str, tar::EntryType, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, kind, content) in entries {
            let mut header = tar::Header::new_gnu();
            // Set as bytes: the builder itself refuses names that lead elsewhere.
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_mode(0o6755);
            let is_link = kind.is_symlink();
            header.set_size(if is_link { 0 } else { content.len() as u64 });
            if is_link {
                header.set_link_name(content).unwrap();
            }
            header.set_cksum();
            let content = if is_link { "" } else { content };
            builder.append(&header, content.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    use tar::EntryType::{Directory, Regular, Symlink};

    #[test]
    fn a_directory_is_unpacked_below_its_destination() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("out");
        let archive = archive(&[("data/", Directory, ""), ("data/a/b", Regular, "content")]);
        assert_eq!(
            unpack(archive.as_slice(), "data", &to).unwrap(),
            Vec::<String>::new()
        );
        assert_eq!(fs::read_to_string(to.join("a/b")).unwrap(), "content");
        let mode = std::os::unix::fs::PermissionsExt::mode;
        let permissions = fs::metadata(to.join("a/b")).unwrap().permissions();
        assert_eq!(mode(&permissions) & 0o7000, 0, "no right comes with it");
    }

    #[test]
    fn a_file_gets_the_name_of_its_destination_or_keeps_its_own_in_a_directory() {
        let folder = tempfile::tempdir().unwrap();
        let archive = archive(&[("etc/hosts", Regular, "x")]);
        unpack(archive.as_slice(), "etc/hosts", &folder.path().join("new")).unwrap();
        unpack(archive.as_slice(), "etc/hosts", folder.path()).unwrap();
        for name in ["new", "hosts"] {
            assert_eq!(fs::read_to_string(folder.path().join(name)).unwrap(), "x");
        }
    }

    #[test]
    fn what_leads_elsewhere_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("out");
        let archive = archive(&[
            ("data/../../escaped", Regular, "x"),
            ("data/link", Symlink, "/etc"),
            ("data/link/passwd", Regular, "y"),
            ("data/good", Regular, "z"),
        ]);
        let warnings = unpack(archive.as_slice(), "data", &to).unwrap();
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(
            warnings[0].contains("is outside target destination"),
            "{warnings:?}"
        );
        assert!(warnings[1].starts_with("skipping symlink"), "{warnings:?}");
        assert!(!folder.path().join("escaped").exists());
        // Without the link its name is that of a directory.
        assert_eq!(fs::read_to_string(to.join("link/passwd")).unwrap(), "y");
        assert_eq!(fs::read_to_string(to.join("good")).unwrap(), "z");
    }

    #[test]
    fn a_link_that_lies_in_the_way_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let outside = folder.path().join("outside");
        fs::write(&outside, "kept").unwrap();
        let to = folder.path().join("out");
        fs::create_dir(&to).unwrap();
        std::os::unix::fs::symlink(&outside, to.join("a")).unwrap();
        let archive = archive(&[("data/a", Regular, "x")]);
        assert!(unpack(archive.as_slice(), "data", &to).is_err());
        assert_eq!(fs::read_to_string(outside).unwrap(), "kept");
    }

    #[test]
    fn an_archive_of_something_else_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let archive = archive(&[("other/a", Regular, "x")]);
        let refused = unpack(archive.as_slice(), "data", folder.path()).unwrap_err();
        assert_eq!(refused.to_string(), "tar contents corrupted");
    }
}
