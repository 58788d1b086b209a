//! Notes of layers that are in their place while no image has them yet.
//!
//! ```text
//! unclaimed/<chain id>.json    written before the layer gets its place, deleted when an image has it
//! ```
//!
//! A pull that was cut short leaves whole layers with such a note, and the next pull of the image
//! goes on with them. A note is not synced: it holds for the boot in which it was written, because
//! only then is what the kernel had in memory certainly the layer.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::error::StoreError;
use crate::image::digest::Digest;
use crate::image::id::ChainId;
use crate::image::unpack::Footprint;

/// The directory of the notes.
#[derive(Debug)]
pub(super) struct Notes {
    dir: PathBuf,
    boot_id: String,
}

/// What is known of a layer that no image has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unclaimed {
    pub(super) footprint: Footprint,
    /// When it was unpacked.
    pub(super) since: SystemTime,
}

#[derive(Serialize, Deserialize)]
struct Note {
    boot_id: String,
    footprint: Footprint,
}

impl Notes {
    pub(super) fn open(dir: PathBuf, boot_id: &str) -> Self {
        Self {
            dir,
            boot_id: boot_id.to_owned(),
        }
    }

    /// Every note of this boot; the others are deleted, and so is what is no note.
    pub(super) fn load(&self) -> Result<BTreeMap<ChainId, Unclaimed>, StoreError> {
        let mut notes = BTreeMap::new();
        let entries = fs::read_dir(&self.dir).map_err(StoreError::at("read", &self.dir))?;
        for entry in entries {
            let path = entry.map_err(StoreError::at("read", &self.dir))?.path();
            match self.read(&path).map_err(StoreError::at("read", &path))? {
                Some((id, unclaimed)) => {
                    notes.insert(id, unclaimed);
                }
                None => fs::remove_file(&path).map_err(StoreError::at("remove", &path))?,
            }
        }
        Ok(notes)
    }

    fn read(&self, path: &Path) -> io::Result<Option<(ChainId, Unclaimed)>> {
        let text = fs::read(path)?;
        let since = path.metadata()?.modified()?;
        let hex = path.file_stem().and_then(|name| name.to_str());
        let id = hex.and_then(|hex| format!("sha256:{hex}").parse::<Digest>().ok());
        let note: Option<Note> = serde_json::from_slice(&text).ok();
        Ok(match (id, note) {
            (Some(id), Some(note)) if note.boot_id == self.boot_id => {
                let footprint = note.footprint;
                Some((ChainId(id), Unclaimed { footprint, since }))
            }
            _ => None,
        })
    }

    /// Notes that a layer is about to get its place. A note that a crash cuts short is none.
    pub(super) fn write(&self, id: &ChainId, footprint: Footprint) -> Result<(), StoreError> {
        let note = Note {
            boot_id: self.boot_id.clone(),
            footprint,
        };
        let text = serde_json::to_vec(&note).expect("a note has only plain data");
        let path = self.path(id);
        fs::write(&path, text).map_err(|error| {
            // What was written of it is no note, and is deleted at the next start in any case.
            let _ = fs::remove_file(&path);
            StoreError::at("write", &path)(error)
        })
    }

    /// Deletes a note; one that is not there is no error.
    pub(super) fn delete(&self, id: &ChainId) -> Result<(), StoreError> {
        let path = self.path(id);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::at("remove", &path)(error))
            }
            _ => Ok(()),
        }
    }

    fn path(&self, id: &ChainId) -> PathBuf {
        self.dir.join(format!("{}.json", id.0.hex()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(name: &str) -> ChainId {
        ChainId(Digest::of(name.as_bytes()))
    }

    #[test]
    fn a_note_holds_for_the_boot_in_which_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let footprint = Footprint {
            bytes: 4096,
            inodes: 1,
        };
        let notes = Notes::open(dir.path().to_owned(), "one boot");
        notes.write(&layer("a"), footprint).unwrap();
        fs::write(dir.path().join("torn.json"), b"{\"boot_id\":").unwrap();
        let found = notes.load().unwrap();
        assert_eq!(
            found.keys().collect::<Vec<_>>(),
            [&layer("a")],
            "what is no note is none"
        );
        assert_eq!(found[&layer("a")].footprint, footprint);
        let later = Notes::open(dir.path().to_owned(), "another boot");
        assert!(later.load().unwrap().is_empty());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
