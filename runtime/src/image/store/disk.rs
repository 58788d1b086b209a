//! The store's files, and the order in which they are written.
//!
//! ```text
//! layers/<chain id>/   an unpacked layer, complete and synced before it gets this name
//! records/<id>.json    an image; written after all its layers are there
//! retired/<id>.json    the same file, moved when the image is removed while a container uses it
//! unclaimed/           notes of layers that no image has yet: see unclaimed.rs
//! names.json           names to ids; a name without a record is dropped when it is read
//! tmp/                 whatever is not finished; emptied at open
//! ```
//!
//! Removing writes nothing but directory entries, so that it works on a full disk.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::StoreError;
use super::index::{Index, Names};
use super::unclaimed::{Notes, Unclaimed};
use crate::image::digest::Digest;
use crate::image::id::{ChainId, ImageId};
use crate::image::record::StoredImage;
use crate::sys::beneath::create_directories;
use crate::sys::remove::remove_tree;

/// The directories of a store.
#[derive(Debug)]
pub(super) struct Disk {
    dir: PathBuf,
    next_temporary: AtomicU64,
    notes: Notes,
}

/// Everything the files say.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) index: Index,
    /// Layers that no image has, for the next pull that needs them.
    pub(super) unclaimed: BTreeMap<ChainId, Unclaimed>,
    /// Layers that nothing stands for: what a crash left.
    pub(super) stray: BTreeSet<ChainId>,
}

impl Disk {
    /// Makes what is missing and throws away what was not finished. Everybody but root is kept out,
    /// so that setuid programs of images are out of reach of the host's users.
    pub(super) fn open(dir: &Path, boot_id: &str) -> Result<Self, StoreError> {
        for name in ["", "layers", "records", "retired", "unclaimed", "tmp"] {
            let path = dir.join(name);
            create_directories(&path, 0o700).map_err(StoreError::at("create", &path))?;
        }
        let disk = Self {
            dir: dir.to_owned(),
            next_temporary: AtomicU64::new(0),
            notes: Notes::open(dir.join("unclaimed"), boot_id),
        };
        for name in disk.names_in("tmp")? {
            let path = dir.join("tmp").join(name);
            remove_tree(&path).map_err(StoreError::at("remove", &path))?;
        }
        Ok(disk)
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn notes(&self) -> &Notes {
        &self.notes
    }

    pub(super) fn layer(&self, id: &ChainId) -> PathBuf {
        self.dir.join("layers").join(id.0.hex())
    }

    /// A path that nothing else uses, in the directory that is emptied at open.
    pub(super) fn temporary(&self) -> PathBuf {
        let number = self.next_temporary.fetch_add(1, Ordering::Relaxed);
        self.dir.join("tmp").join(number.to_string())
    }

    /// Everything the files say. Records and notes that cannot be used any more are deleted.
    pub(super) fn load(&self) -> Result<Contents, StoreError> {
        let layers = self.layers()?;
        let index = self.load_index(&layers)?;
        let claimed = index.layers();
        let mut unclaimed = self.notes.load()?;
        for id in unclaimed.keys() {
            if claimed.contains_key(id) || !layers.contains(id) {
                self.notes.delete(id)?;
            }
        }
        unclaimed.retain(|id, _| !claimed.contains_key(id) && layers.contains(id));
        let is_stray = |id: &ChainId| !claimed.contains_key(id) && !unclaimed.contains_key(id);
        let stray = layers.into_iter().filter(is_stray).collect();
        Ok(Contents {
            index,
            unclaimed,
            stray,
        })
    }

    fn load_index(&self, layers: &BTreeSet<ChainId>) -> Result<Index, StoreError> {
        let mut index = Index {
            images: self.load_records("records", layers)?,
            retired: self.load_records("retired", layers)?,
            names: Names::new(),
        };
        let path = self.dir.join("names.json");
        index.names = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|error| {
                tracing::warn!(path = %path.display(), %error, "names of images are lost: pull them again");
                Names::new()
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Names::new(),
            Err(error) => return Err(StoreError::at("read", &path)(error)),
        };
        index.names.retain(|_, id| index.images.contains_key(id));
        index.retired.retain(|id, _| !index.images.contains_key(id));
        Ok(index)
    }

    fn layers(&self) -> Result<BTreeSet<ChainId>, StoreError> {
        let names = self.names_in("layers")?;
        let digests = names
            .iter()
            .filter_map(|name| format!("sha256:{}", name.to_str()?).parse().ok());
        Ok(digests.map(|digest: Digest| ChainId(digest)).collect())
    }

    fn load_records(
        &self,
        kind: &str,
        layers: &BTreeSet<ChainId>,
    ) -> Result<BTreeMap<ImageId, StoredImage>, StoreError> {
        let mut images = BTreeMap::new();
        for name in self.names_in(kind)? {
            let path = self.dir.join(kind).join(name);
            match read_record(&path)? {
                Ok(image) if image.layers.iter().all(|l| layers.contains(&l.chain_id)) => {
                    images.insert(image.id.clone(), image.without_document());
                }
                Ok(image) => {
                    tracing::warn!(image = %image.id, "layers are missing: the image must be pulled again");
                    fs::remove_file(&path).map_err(StoreError::at("remove", &path))?;
                }
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "the image must be pulled again");
                    fs::remove_file(&path).map_err(StoreError::at("remove", &path))?;
                }
            }
        }
        Ok(images)
    }

    /// Moves an unpacked layer to its place.
    pub(super) fn place_layer(&self, unpacked: &Path, id: &ChainId) -> Result<(), StoreError> {
        let path = self.layer(id);
        fs::rename(unpacked, &path).map_err(StoreError::at("create", &path))
    }

    /// Waits until the disk has everything that was written to the store's file system.
    pub(super) fn sync_content(&self) -> Result<(), StoreError> {
        let sync = || -> io::Result<()> { Ok(rustix::fs::syncfs(File::open(&self.dir)?)?) };
        sync().map_err(StoreError::at("sync", &self.dir))
    }

    /// Waits until the disk has the names in one of the store's directories.
    pub(super) fn sync_directory(&self, name: &str) -> Result<(), StoreError> {
        let path = self.dir.join(name);
        let synced = File::open(&path).and_then(|directory| directory.sync_all());
        synced.map_err(StoreError::at("sync", &path))
    }

    pub(super) fn write_record(&self, image: &StoredImage) -> Result<(), StoreError> {
        let text = serde_json::to_vec(image).expect("a record has only plain data");
        self.write(&self.record("records", &image.id), &text)?;
        self.sync_directory("records")?;
        // An image that was removed while in use and pulled again is not retired any more.
        self.delete(&self.record("retired", &image.id))
    }

    pub(super) fn write_names(&self, names: &Names) -> Result<(), StoreError> {
        let text = serde_json::to_vec(names).expect("names are plain data");
        self.write(&self.dir.join("names.json"), &text)?;
        self.sync_directory("")
    }

    /// Makes an image retired: only its directory entry moves.
    pub(super) fn retire(&self, id: &ImageId) -> Result<(), StoreError> {
        let path = self.record("retired", id);
        fs::rename(self.record("records", id), &path).map_err(StoreError::at("create", &path))
    }

    pub(super) fn delete_record(&self, id: &ImageId) -> Result<(), StoreError> {
        self.delete(&self.record("records", id))
    }

    pub(super) fn delete_retired(&self, id: &ImageId) -> Result<(), StoreError> {
        self.delete(&self.record("retired", id))
    }

    /// Takes a layer out of the store at once; what is returned is to be removed, which takes longer.
    pub(super) fn detach_layer(&self, id: &ChainId) -> Result<PathBuf, StoreError> {
        let (path, doomed) = (self.layer(id), self.temporary());
        match fs::rename(&path, &doomed) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::at("remove", &path)(error))
            }
            _ => Ok(doomed),
        }
    }

    /// The configuration of an image as its registry gave it; `None` when a program wrote the record
    /// that did not keep it.
    pub(super) fn document(&self, id: &ImageId) -> Result<Option<String>, StoreError> {
        let image = read_record(&self.record("records", id))?;
        Ok(image.ok().and_then(|image| image.document))
    }

    fn record(&self, kind: &str, id: &ImageId) -> PathBuf {
        self.dir.join(kind).join(format!("{}.json", id.0.hex()))
    }

    fn delete(&self, path: &Path) -> Result<(), StoreError> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::at("remove", path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Writes a whole file or none of it.
    fn write(&self, path: &Path, text: &[u8]) -> Result<(), StoreError> {
        let temporary = self.temporary();
        let write = || {
            let mut file = File::create(&temporary)?;
            file.write_all(text)?;
            file.sync_all()?;
            fs::rename(&temporary, path)
        };
        write().map_err(|error| {
            // It is thrown away at the next open in any case.
            let _ = fs::remove_file(&temporary);
            StoreError::at("write", path)(error)
        })
    }

    fn names_in(&self, name: &str) -> Result<Vec<OsString>, StoreError> {
        let path = self.dir.join(name);
        let names = || -> io::Result<Vec<OsString>> {
            fs::read_dir(&path)?
                .map(|entry| Ok(entry?.file_name()))
                .collect()
        };
        names().map_err(StoreError::at("read", &path))
    }
}

/// A record, or why it says nothing; one from a newer program is an error, because deleting what
/// it stands for would be wrong.
fn read_record(path: &Path) -> Result<Result<StoredImage, serde_json::Error>, StoreError> {
    #[derive(serde::Deserialize)]
    struct Version {
        version: u32,
    }
    let text = fs::read(path).map_err(StoreError::at("read", path))?;
    match serde_json::from_slice::<Version>(&text) {
        Ok(Version { version }) if version > StoredImage::VERSION => Err(StoreError::Newer {
            path: path.to_owned(),
            version,
        }),
        _ => Ok(serde_json::from_slice(&text)),
    }
}
