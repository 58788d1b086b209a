//! The OCI image layout: a directory, or a tar of it, of blobs by digest and an index of names.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::{fs, str};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::content::{
    Blob, CONTAINERD_NAME_ANNOTATION, Content, Descriptor, NAME_ANNOTATION, digest, media_type,
};
use super::entry::Entry;
use super::layer::Layer;

const VERSION_FILE: (&str, &[u8]) = ("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
const INDEX_FILE: &str = "index.json";

/// Named images in one place.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    roots: Vec<Descriptor>,
    /// By digest.
    blobs: BTreeMap<String, Vec<u8>>,
}

/// A layout could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file is not a readable archive.
    #[error("read the archive {}", path.display())]
    Archive {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A document is missing from the archive or means nothing.
    #[error("parse {document}")]
    Document {
        /// Its path or digest.
        document: String,
        /// Why.
        source: serde_json::Error,
    },
    /// Something that another document names is not there.
    #[error("the layout has no {0}")]
    Missing(String),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct IndexDocument {
    schema_version: u32,
    #[serde(default = "index_type")]
    media_type: String,
    manifests: Vec<Descriptor>,
}

/// What a manifest says of its parts, and all that is read of it here.
#[derive(Deserialize)]
struct Parts {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

fn index_type() -> String {
    media_type::INDEX.to_owned()
}

impl Layout {
    /// A layout of one image.
    pub fn of(name: &str, content: &Content) -> Self {
        let mut layout = Self::default();
        layout.add(name, content);
        layout
    }

    /// Adds an image under a name.
    pub fn add(&mut self, name: &str, content: &Content) {
        let mut root = content.root.descriptor();
        for annotation in [NAME_ANNOTATION, CONTAINERD_NAME_ANNOTATION] {
            root.annotations
                .insert(annotation.to_owned(), name.to_owned());
        }
        self.roots.push(root);
        for blob in content.in_order() {
            self.blobs.insert(blob.digest(), blob.bytes.clone());
        }
    }

    /// The layout as a tar archive; `time` is that of its entries, in Unix seconds.
    pub fn tar(&self, time: u64) -> Vec<u8> {
        let directories = ["blobs", "blobs/sha256"].map(Entry::directory);
        let files = self
            .files()
            .into_iter()
            .map(|(path, bytes)| Entry::file(path, bytes));
        Layer::of(directories.into_iter().chain(files)).tar(time)
    }

    /// Writes the layout as a directory.
    pub fn write_directory(&self, directory: &Path) -> io::Result<()> {
        fs::create_dir_all(directory.join("blobs/sha256"))?;
        for (path, bytes) in self.files() {
            fs::write(directory.join(path), bytes)?;
        }
        Ok(())
    }

    /// Reads an archive that `tar` or another tool has written.
    pub fn read_tar(path: &Path) -> Result<Self, ReadError> {
        let mut files = read_files(path).map_err(|source| ReadError::Archive {
            path: path.to_owned(),
            source,
        })?;
        let index = files
            .remove(INDEX_FILE)
            .ok_or_else(|| ReadError::Missing(INDEX_FILE.to_owned()))?;
        let index: IndexDocument = parse(INDEX_FILE, &index)?;
        let blobs = files
            .into_iter()
            .filter(|(path, _)| path.starts_with("blobs/"));
        Ok(Self {
            roots: index.manifests,
            blobs: blobs.map(|(_, bytes)| (digest(&bytes), bytes)).collect(),
        })
    }

    /// The images, with everything that each refers to.
    pub fn contents(&self) -> Result<Vec<Content>, ReadError> {
        self.roots.iter().map(|root| self.content(root)).collect()
    }

    fn content(&self, root: &Descriptor) -> Result<Content, ReadError> {
        let root = self.blob(root)?;
        let manifests = match root.media_type.as_str() {
            media_type::INDEX => {
                let index: IndexDocument = parse(&root.digest(), &root.bytes)?;
                index
                    .manifests
                    .iter()
                    .map(|manifest| self.blob(manifest))
                    .collect()
            }
            _ => Ok(Vec::new()),
        }?;
        let images = if manifests.is_empty() {
            vec![&root]
        } else {
            manifests.iter().collect()
        };
        let mut blobs = Vec::new();
        for image in images {
            let parts: Parts = parse(&image.digest(), &image.bytes)?;
            for part in [&parts.config].into_iter().chain(&parts.layers) {
                blobs.push(self.blob(part)?);
            }
        }
        Ok(Content {
            root,
            manifests,
            blobs,
        })
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Blob, ReadError> {
        let bytes = self.blobs.get(&descriptor.digest);
        let bytes = bytes.ok_or_else(|| ReadError::Missing(descriptor.digest.clone()))?;
        Ok(Blob::new(&descriptor.media_type, bytes.clone()))
    }

    fn files(&self) -> Vec<(String, Vec<u8>)> {
        let index = IndexDocument {
            schema_version: 2,
            media_type: index_type(),
            manifests: self.roots.clone(),
        };
        let index = serde_json::to_vec(&index).expect("keys are strings");
        let (version, contents) = VERSION_FILE;
        let fixed = [
            (version.to_owned(), contents.to_vec()),
            (INDEX_FILE.to_owned(), index),
        ];
        let blobs = self
            .blobs
            .iter()
            .map(|(digest, bytes)| (format!("blobs/{}", digest.replace(':', "/")), bytes.clone()));
        fixed.into_iter().chain(blobs).collect()
    }
}

fn parse<'text, T: Deserialize<'text>>(document: &str, text: &'text [u8]) -> Result<T, ReadError> {
    serde_json::from_slice(text).map_err(|source| ReadError::Document {
        document: document.to_owned(),
        source,
    })
}

/// The regular files of an archive by path.
fn read_files(path: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(fs::File::open(path)?).entries()? {
        let mut entry = entry?;
        if entry.header().entry_type().is_file() {
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            files.insert(name.trim_start_matches("./").to_owned(), bytes);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::{Image, Index, Platform, Settings};

    fn index() -> Content {
        Index::of(["amd64", "arm64"].map(|architecture| {
            let layer = Layer::of([Entry::file("arch", architecture)]);
            Image::new(Settings::default(), [layer])
                .platform(Platform::linux(architecture))
                .build()
        }))
        .build()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let image = Image::new(Settings::default(), [Layer::of([Entry::file("a", "")])]).build();
        let mut layout = Layout::of("example.test/one:1", &image.content());
        layout.add("example.test/two:2", &index());

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("images.tar");
        fs::write(&path, layout.tar(0)).unwrap();
        let read = Layout::read_tar(&path).unwrap().contents().unwrap();
        assert_eq!(read, [image.content(), index()]);
    }

    #[test]
    fn the_directory_holds_the_files_of_the_archive() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::of("example.test/two:2", &index());
        layout.write_directory(directory.path()).unwrap();
        for (path, bytes) in layout.files() {
            assert_eq!(fs::read(directory.path().join(path)).unwrap(), bytes);
        }
    }
}
