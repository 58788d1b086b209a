//! Which images were pulled, and with whose credentials: a pod gets an image that is on the node only
//! if it could pull it itself.
//!
//! ```text
//! before a pull ──► pulling/sha256-…   (an intent: a crash in between leaves it)
//! after it ───────► pulled/sha256-…    (a record: the image, and who may have it)
//! image is there ─► record ─► policy ─► anybody may have it, or whoever shows what was shown
//! ```
//!
//! Files and their contents are upstream's, so a node that changes its kubelet keeps them.

mod files;
mod policy;
mod record;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Mutex;

use jiff::Timestamp;

use crate::credential::Credential;
use crate::cri::Image;
use crate::model::written_name;
use files::Files;
use record::{Access, Record, Secret};

pub use policy::{Policy, Verification};

/// What is known of pulls, on disk.
pub struct PullRecords {
    policy: Policy,
    /// Held while files are read and written, never longer.
    files: Mutex<Shelf>,
}

struct Shelf {
    files: Files,
    /// How many pulls of an image go on: the last one takes the intent away.
    pulling: BTreeMap<String, usize>,
}

/// Why something is not known.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the records of pulls below {path}")]
pub struct RecordsError {
    /// Which directory.
    pub path: String,
    /// Why not.
    #[source]
    pub source: io::Error,
}

impl PullRecords {
    /// The records below the kubelet's own directory.
    pub fn new(root: &Path, policy: Policy) -> Self {
        Self {
            policy,
            files: Mutex::new(Shelf {
                files: Files::new(root),
                pulling: BTreeMap::new(),
            }),
        }
    }

    /// Images that a kubelet was pulling when it ended, and that are here, were pulled with nobody
    /// knows what; records of images that are gone go too.
    pub fn recover(&self, images: &[Image], now: Timestamp) -> Result<(), RecordsError> {
        let shelf = self.shelf();
        let pulling = shelf.files.intents().map_err(|error| shelf.error(error))?;
        for image in images {
            let names: BTreeSet<_> = image.tags.iter().chain(&image.digests).collect();
            for name in pulling.iter().filter(|name| names.contains(name)) {
                let keep = || {
                    if shelf.files.record(&image.id)?.is_none() {
                        shelf.files.keep(&Record::new(&image.id, now))?;
                    }
                    shelf.files.drop_intent(name)
                };
                keep().map_err(|error| shelf.error(error))?;
            }
        }
        let ids: BTreeSet<_> = images.iter().map(|image| image.id.as_str()).collect();
        shelf
            .files
            .keep_only(&ids)
            .map_err(|error| shelf.error(error))
    }

    /// A pull begins.
    pub(crate) fn begin(&self, image: &str) -> Result<(), RecordsError> {
        let mut shelf = self.shelf();
        shelf
            .files
            .keep_intent(image)
            .map_err(|error| shelf.error(error))?;
        *shelf.pulling.entry(image.to_owned()).or_default() += 1;
        Ok(())
    }

    /// A pull failed, or was given up.
    pub(crate) fn failed(&self, image: &str) {
        self.shelf().end(image);
    }

    /// A pull is done, with this credential or none. When that cannot be kept the intent stays, and
    /// the next kubelet finds out.
    pub(crate) fn pulled(&self, image: &str, id: &str, shown: Option<&Credential>, now: Timestamp) {
        let mut shelf = self.shelf();
        match shelf.add(image, id, access(shown), now) {
            Ok(()) => shelf.end(image),
            Err(error) => warn(image, &error),
        }
    }

    /// Whether a pod may only have an image that is here when it could pull it, and what it has to
    /// show then.
    pub(crate) fn must_verify(&self, image: &str, id: &str) -> Check {
        let shelf = self.shelf();
        let record = match shelf.files.record(id) {
            Ok(record) => record,
            Err(error) => {
                warn(image, &error);
                return Check::Pull;
            }
        };
        let is_ours =
            record.is_some() || shelf.pulling.contains_key(image) || shelf.files.has_intent(image);
        if !self.policy.verifies(image, is_ours) {
            return Check::Free;
        }
        let name = written_name(image).unwrap_or(image);
        let known = record.and_then(|mut record| record.access.remove(name));
        match known {
            Some(access) if access.is_free() => Check::Free,
            Some(access) if access.has_secrets() => Check::Show(Shown {
                image: image.to_owned(),
                id: id.to_owned(),
                access,
            }),
            Some(_) | None => Check::Pull,
        }
    }

    /// Whether one of these credentials is one that the image was pulled with, or stands in a Secret
    /// that it was pulled with. What is found so is kept.
    pub(crate) fn accepts(&self, shown: &Shown, all: &[Credential], now: Timestamp) -> bool {
        let secrets = all.iter().filter_map(Secret::of);
        for secret in secrets {
            if let Some(is_known) = shown.access.knows(&secret) {
                if !is_known.is_same && shown.access.has_room() {
                    let access = Access::of_secret(secret);
                    let kept = self.shelf().add(&shown.image, &shown.id, access, now);
                    kept.unwrap_or_else(|error| warn(&shown.image, &error));
                }
                return true;
            }
        }
        false
    }

    fn shelf(&self) -> std::sync::MutexGuard<'_, Shelf> {
        self.files.lock().expect("no holder of this lock can panic")
    }
}

/// What has to be done before a pod gets an image that is here.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Check {
    /// Nothing.
    Free,
    /// The pod has to show one of these, or to pull.
    Show(Shown),
    /// It has to be pulled.
    Pull,
}

/// What an image was pulled with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shown {
    image: String,
    id: String,
    access: Access,
}

impl Shelf {
    fn add(&self, image: &str, id: &str, access: Access, now: Timestamp) -> io::Result<()> {
        let name = written_name(image).map_err(io::Error::other)?;
        // A record that cannot be read is made anew.
        let before = self.files.record(id).ok().flatten();
        let mut record = before.unwrap_or_else(|| Record::new(id, now));
        if record.add(name, access, now) {
            self.files.keep(&record)?;
        }
        Ok(())
    }

    fn end(&mut self, image: &str) {
        let left = self
            .pulling
            .get(image)
            .map_or(0, |count| count.saturating_sub(1));
        if left > 0 {
            self.pulling.insert(image.to_owned(), left);
            return;
        }
        self.pulling.remove(image);
        if let Err(error) = self.files.drop_intent(image) {
            warn(image, &error);
        }
    }

    fn error(&self, source: io::Error) -> RecordsError {
        RecordsError {
            path: self.files.path().display().to_string(),
            source,
        }
    }
}

fn access(shown: Option<&Credential>) -> Access {
    shown
        .and_then(Secret::of)
        .map_or_else(Access::free, Access::of_secret)
}

fn warn(image: &str, error: &io::Error) {
    tracing::warn!(image, %error, "cannot keep what an image was pulled with");
}

#[cfg(test)]
mod tests;
