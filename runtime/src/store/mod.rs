//! Records on disk: each sandbox and each container has a directory with a `record` in it.
//!
//! A record is a journal of JSON lines of which the last whole one counts. A state is recorded by
//! appending a line: one small write, 50 times cheaper here than replacing a file by rename
//! (docs/decisions/0001). Appending survives any kill; a line torn by a full disk or a power cut is
//! ignored, so the record falls back to the state before, which tear-down also knows how to end.

mod journal;

use std::fs;
use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::layout::Layout;
use crate::model::{ContainerId, ContainerRecord, SandboxId, SandboxRecord};
use crate::sys::remove::remove_tree;

/// How the name of a discarded directory begins, which no id does.
const DISCARDED: &str = ".discarded-";

/// Why a record could not be kept or read.
#[derive(Debug, thiserror::Error)]
#[error("{action} {path}", path = path.display())]
pub struct StoreError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// A record that names the directory it is kept in.
pub trait Record: Serialize + DeserializeOwned {
    /// The kind of id that names it.
    type Id: AsRef<str> + TryFrom<String>;

    /// Its id.
    fn id(&self) -> &Self::Id;
}

impl Record for SandboxRecord {
    type Id = SandboxId;

    fn id(&self) -> &SandboxId {
        &self.id
    }
}

impl Record for ContainerRecord {
    type Id = ContainerId;

    fn id(&self) -> &ContainerId {
        &self.id
    }
}

/// What one directory of the store turned out to hold.
#[derive(Debug)]
pub enum Found<R: Record> {
    /// A record.
    Record(R),
    /// A directory whose record never became whole: nothing but the directory itself exists of it.
    Remains(R::Id),
}

/// The records of one kind.
#[derive(Clone, Debug)]
pub struct Records<R> {
    dir: PathBuf,
    kind: PhantomData<fn() -> R>,
}

/// The sandboxes' and the containers' records.
#[derive(Clone, Debug)]
pub struct Store {
    /// Records of sandboxes.
    pub sandboxes: Records<SandboxRecord>,
    /// Records of containers.
    pub containers: Records<ContainerRecord>,
}

impl Store {
    /// Opens the store, making its directories.
    pub fn open(layout: &Layout) -> Result<Self, StoreError> {
        Ok(Self {
            sandboxes: Records::open(layout.sandbox_dirs())?,
            containers: Records::open(layout.container_dirs())?,
        })
    }
}

impl<R: Record> Records<R> {
    /// Opens the records below `dir`, making it.
    pub(crate) fn open(dir: PathBuf) -> Result<Self, StoreError> {
        make_private_dir(&dir).map_err(failed("make", &dir))?;
        Ok(Self {
            dir,
            kind: PhantomData,
        })
    }

    /// Makes the directory of a new record and writes the record's first state.
    pub fn create(&self, record: &R) -> Result<(), StoreError> {
        let dir = self.dir.join(record.id().as_ref());
        make_private_dir(&dir).map_err(failed("make", &dir))?;
        self.save(record)
    }

    /// Records a new state.
    pub fn save(&self, record: &R) -> Result<(), StoreError> {
        let path = self.journal(record.id().as_ref());
        journal::append(&path, record).map_err(failed("append to", &path))
    }

    /// The record of `id`, if there is one.
    pub(crate) fn get(&self, id: &R::Id) -> Result<Option<R>, StoreError> {
        let path = self.journal(id.as_ref());
        journal::last(&path).map_err(failed("read", &path))
    }

    /// Takes the directory of `id` out of the records at once; [`sweep`](Self::sweep) deletes it.
    /// Deleting what a container wrote can take as long as it likes. Not an error when it is gone.
    pub fn discard(&self, id: &R::Id) -> Result<(), StoreError> {
        let dir = self.dir.join(id.as_ref());
        let discarded = self.dir.join(format!("{DISCARDED}{}", id.as_ref()));
        match fs::rename(&dir, discarded) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("discard", &dir)(error))
            }
            _ => Ok(()),
        }
    }

    /// Deletes what was discarded, also by a process that died before it came to this. Blocks.
    pub fn sweep(&self) -> Result<(), StoreError> {
        for entry in fs::read_dir(&self.dir).map_err(failed("list", &self.dir))? {
            let entry = entry.map_err(failed("list", &self.dir))?;
            let is_discarded = entry
                .file_name()
                .as_encoded_bytes()
                .starts_with(DISCARDED.as_bytes());
            if is_discarded {
                let path = entry.path();
                remove_tree(&path).map_err(failed("remove", &path))?;
            }
        }
        Ok(())
    }

    /// Everything that is kept, in no order. Entries that are not named by an id are left alone.
    pub fn load(&self) -> Result<Vec<Found<R>>, StoreError> {
        let entries = fs::read_dir(&self.dir).map_err(failed("list", &self.dir))?;
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed("list", &self.dir))?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let Ok(id) = R::Id::try_from(name) else {
                continue;
            };
            let path = self.journal(id.as_ref());
            let last = journal::last(&path).map_err(failed("read", &path))?;
            found.push(last.map_or(Found::Remains(id), Found::Record));
        }
        Ok(found)
    }

    fn journal(&self, id: &str) -> PathBuf {
        self.dir.join(id).join("record")
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError {
        action,
        path,
        source,
    }
}

/// Makes a directory, and its parents, that only root may enter.
fn make_private_dir(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
}

#[cfg(test)]
mod tests;
