//! Where the files of a tar are, so that they can be read in any order without copying them.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::{ImportError, MAX_DOCUMENT};
use crate::image::digest::Digest;
use crate::image::unpack::{Limits, UnpackError, tar};

/// A link of a link of a link: docker's archives have one step.
const MAX_LINKS: usize = 4;

/// An archive whose headers were read.
pub(super) struct Archive {
    file: Arc<File>,
    members: HashMap<PathBuf, Member>,
}

enum Member {
    File { offset: u64, size: u64 },
    Link(PathBuf),
}

/// A file of the archive, to be read.
pub(super) struct Section {
    file: Arc<File>,
    offset: u64,
    left: u64,
}

impl Archive {
    /// Reads the headers of the archive.
    pub(super) fn open(path: &Path, limits: Limits) -> Result<Self, ImportError> {
        let failed = |source| ImportError::Read {
            path: path.to_owned(),
            source,
        };
        let file = Arc::new(File::open(path).map_err(failed)?);
        let size = file.metadata().map_err(failed)?.len();
        let members = scan(&file, size, limits).map_err(|source| ImportError::Archive {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self { file, members })
    }

    /// A file by its name; links within the archive are followed.
    pub(super) fn section(&self, name: &str) -> Option<Section> {
        let mut path = normal(Path::new(name));
        for _ in 0..=MAX_LINKS {
            match self.members.get(&path)? {
                Member::File { offset, size } => {
                    let file = Arc::clone(&self.file);
                    return Some(Section {
                        file,
                        offset: *offset,
                        left: *size,
                    });
                }
                Member::Link(target) => path.clone_from(target),
            }
        }
        None
    }

    /// A small file as a whole; `None` when there is none of that name.
    pub(super) fn text(&self, name: &str) -> Result<Option<Vec<u8>>, ImportError> {
        let Some(mut section) = self.section(name) else {
            return Ok(None);
        };
        if section.left > MAX_DOCUMENT {
            return Err(ImportError::TooLarge(name.to_owned()));
        }
        let mut text = Vec::new();
        let read = section.read_to_end(&mut text);
        read.map_err(|source| ImportError::Read {
            path: name.into(),
            source,
        })?;
        Ok(Some(text))
    }

    /// A JSON document; `None` when there is none of that name.
    pub(super) fn json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ImportError> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        let parsed = serde_json::from_slice(&text);
        parsed.map(Some).map_err(|source| ImportError::Document {
            name: name.to_owned(),
            source,
        })
    }

    /// A document by its digest, checked.
    pub(super) fn blob(&self, digest: &Digest) -> Result<Vec<u8>, ImportError> {
        let name = blob_name(digest);
        let text = self
            .text(&name)?
            .ok_or_else(|| ImportError::Missing(name.clone()))?;
        match digest.check(&text) {
            Ok(()) => Ok(text),
            Err(got) => Err(ImportError::DigestMismatch {
                name,
                expected: digest.clone(),
                got,
            }),
        }
    }
}

/// Where an OCI layout has a blob.
pub(super) fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}", digest.as_str().replacen(':', "/", 1))
}

fn scan(
    file: &Arc<File>,
    size: u64,
    limits: Limits,
) -> Result<HashMap<PathBuf, Member>, UnpackError> {
    let whole = Section {
        file: Arc::clone(file),
        offset: 0,
        left: size,
    };
    let mut archive = tar::Archive::new(whole, limits);
    let mut members = HashMap::new();
    while let Some(entry) = archive.next_entry()? {
        let path = normal(Path::new(&text(&entry.name)));
        match entry.content {
            tar::Content::File(size) => {
                let offset = archive.source().offset;
                archive.skip_content(|section, length| section.skip(length))?;
                members.insert(path, Member::File { offset, size });
            }
            tar::Content::Symlink(target) => {
                let directory = path.parent().unwrap_or(Path::new(""));
                let target = normal(&directory.join(text(&target)));
                members.insert(path, Member::Link(target));
            }
            tar::Content::HardLink(target) => {
                members.insert(path, Member::Link(normal(Path::new(&text(&target)))));
            }
            _ => {}
        }
    }
    Ok(members)
}

fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

/// The path without dots, seen from the archive's root. It only names members of the archive.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => normal.push(name),
            Component::ParentDir => drop(normal.pop()),
            _ => {}
        }
    }
    normal
}

impl Section {
    fn skip(&mut self, length: u64) -> u64 {
        let skipped = length.min(self.left);
        self.offset += skipped;
        self.left -= skipped;
        skipped
    }
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let got = self.file.read_at(&mut buffer[..wanted], self.offset)?;
        if got == 0 && wanted > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.skip(got as u64);
        Ok(got)
    }
}
