//! Layers, well-formed and hostile, and what they leave on the disk.

mod content;
mod hostile;
mod well_formed;

use std::fs;

use super::*;
use crate::image::digest::Digest;
use ::tar::{EntryType, Header};

/// Builds an archive, header by header, without the `tar` crate's own checks.
struct Layer(Vec<u8>);

impl Layer {
    fn new() -> Self {
        Self(Vec::new())
    }

    fn entry(self, kind: EntryType, name: &str, link: &str, mode: u32, content: &[u8]) -> Self {
        self.header(kind, name, link, content, |header| header.set_mode(mode))
    }

    fn header(
        mut self,
        kind: EntryType,
        name: &str,
        link: &str,
        content: &[u8],
        change: impl FnOnce(&mut Header),
    ) -> Self {
        let mut header = Header::new_gnu();
        let old = header.as_old_mut();
        old.name[..name.len()].copy_from_slice(name.as_bytes());
        old.linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1000);
        change(&mut header);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn dir(self, name: &str) -> Self {
        self.entry(EntryType::Directory, name, "", 0o755, b"")
    }

    fn file(self, name: &str, content: &str) -> Self {
        self.entry(EntryType::Regular, name, "", 0o644, content.as_bytes())
    }

    fn symlink(self, name: &str, target: &str) -> Self {
        self.entry(EntryType::Symlink, name, target, 0o777, b"")
    }

    fn hard_link(self, name: &str, target: &str) -> Self {
        self.entry(EntryType::Link, name, target, 0o644, b"")
    }

    fn device(self, kind: EntryType, name: &str, major: u32, minor: u32) -> Self {
        self.header(kind, name, "", b"", |header| {
            header.set_device_major(major).unwrap();
            header.set_device_minor(minor).unwrap();
        })
    }

    fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let mut content = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let length = (1..).find(|digits| (rest + digits).to_string().len() == *digits);
            let length = rest + length.unwrap();
            content.extend_from_slice(format!("{length} {key}=").as_bytes());
            content.extend_from_slice(value);
            content.push(b'\n');
        }
        self.entry(EntryType::XHeader, "pax", "", 0o644, &content)
    }

    fn done(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&[0; 1024]);
        self.0
    }

    /// Unpacks below a directory that has something worth attacking beside and above it.
    fn unpack(self) -> Unpacked {
        unpack_bytes(&self.done(), Limits::default())
    }
}

struct Unpacked {
    dir: tempfile::TempDir,
    result: Result<Finished, UnpackError>,
}

impl Unpacked {
    fn path(&self, path: &str) -> std::path::PathBuf {
        self.dir.path().join("layer").join(path)
    }

    fn expect(self) -> Self {
        assert!(self.result.is_ok(), "{:?}", self.result);
        self
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    /// The error, after a look at what the layer must not have touched.
    fn error(&self) -> &UnpackError {
        self.assert_contained();
        self.result.as_ref().unwrap_err()
    }

    fn assert_contained(&self) {
        assert_eq!(
            fs::read_to_string(self.dir.path().join("outside/secret")).unwrap(),
            "secret"
        );
        assert_eq!(fs::read_dir(self.dir.path()).unwrap().count(), 2);
        assert_eq!(
            fs::read_dir(self.dir.path().join("outside"))
                .unwrap()
                .count(),
            1
        );
    }
}

fn unpack_bytes(bytes: &[u8], limits: Limits) -> Unpacked {
    let expected = Expected {
        blob: None,
        diff_id: Digest::of(bytes),
    };
    unpack_expecting(bytes, &expected, limits)
}

fn unpack_expecting(bytes: &[u8], expected: &Expected, limits: Limits) -> Unpacked {
    let dir = tempfile::tempdir().unwrap();
    for name in ["layer", "outside"] {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    fs::write(dir.path().join("outside/secret"), "secret").unwrap();
    let result = unpack(bytes, expected, &dir.path().join("layer"), limits);
    Unpacked { dir, result }
}
