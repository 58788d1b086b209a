//! Records as files: each is whole, old or new, whenever the machine stops.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::record::{Intent, Record};

const PREFIX: &str = "sha256-";
const UNFINISHED: &str = ".tmp";

/// The directory of all records.
pub(super) struct Files(PathBuf);

impl Files {
    pub(super) fn new(root: &Path) -> Self {
        Self(root.join("image_manager"))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn keep_intent(&self, image: &str) -> io::Result<()> {
        write(&self.pulling(), image, &Intent::new(image))
    }

    pub(super) fn has_intent(&self, image: &str) -> bool {
        let read = read::<Intent>(&self.pulling().join(file_name(image)));
        matches!(read, Ok(Some(intent)) if intent.image == image)
    }

    pub(super) fn drop_intent(&self, image: &str) -> io::Result<()> {
        remove(&self.pulling().join(file_name(image)))
    }

    /// The images of all intents.
    pub(super) fn intents(&self) -> io::Result<Vec<String>> {
        let files = files(&self.pulling())?.into_iter();
        // One that cannot be read says nothing; it is written anew with the next pull.
        let intents = files.filter_map(|file| read::<Intent>(&file).ok().flatten());
        Ok(intents.map(|intent| intent.image).collect())
    }

    pub(super) fn keep(&self, record: &Record) -> io::Result<()> {
        write(&self.pulled(), &record.image_ref, record)
    }

    pub(super) fn record(&self, id: &str) -> io::Result<Option<Record>> {
        let record = read::<Record>(&self.pulled().join(file_name(id)))?;
        Ok(record.filter(|record| record.image_ref == id))
    }

    /// Removes the records of all other images.
    pub(super) fn keep_only(&self, ids: &BTreeSet<&str>) -> io::Result<()> {
        for file in files(&self.pulled())? {
            let record = read::<Record>(&file).ok().flatten();
            if record.is_none_or(|record| !ids.contains(record.image_ref.as_str())) {
                remove(&file)?;
            }
        }
        Ok(())
    }

    fn pulling(&self) -> PathBuf {
        self.0.join("pulling")
    }

    fn pulled(&self) -> PathBuf {
        self.0.join("pulled")
    }
}

fn file_name(key: &str) -> String {
    let digest = Sha256::digest(key.as_bytes());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{PREFIX}{hex}")
}

fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(PREFIX) && !name.ends_with(UNFINISHED) {
            files.push(entry.path());
        }
    }
    Ok(files)
}

fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn write(directory: &Path, key: &str, value: &impl Serialize) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    let target = directory.join(file_name(key));
    let unfinished = directory.join(format!("{}{UNFINISHED}", file_name(key)));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)?;
    serde_json::to_writer(&file, value)?;
    file.flush()?;
    file.sync_all()?;
    fs::rename(&unfinished, target)?;
    File::open(directory)?.sync_all()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
