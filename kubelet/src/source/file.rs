//! Watches the manifest directory: inotify for what happens, a slow rescan for what it misses.
//!
//! Every look reads the whole directory; only files whose bytes changed are read as manifests again
//! and reported on.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use inotify::{Inotify, WatchMask};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;

use crate::model::{PodOrigin, PodSource};
use crate::sync::{Clock, EventRecorder};

use super::gather::Saying;
use super::tell::{warn, warn_of};
use super::{Contents, NodeIdentity, Scan, read_manifest};

/// How long the directory must be quiet after an event before it is read, so that several files
/// written together arrive together.
const SETTLE: Duration = Duration::from_millis(20);

/// How long until a lost watch is tried again.
const WATCH_RETRY: Duration = Duration::from_secs(1);

/// Why the directory cannot be watched; it is still read every now and then.
#[derive(Debug, thiserror::Error)]
#[error("cannot watch {} for changes", .directory.display())]
pub struct WatchError {
    /// Which directory.
    pub directory: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// What a file source is made of.
pub struct FileParts<E, C> {
    /// Where the manifests are.
    pub directory: PathBuf,
    /// What of the node goes into its static pods.
    pub node: NodeIdentity,
    /// How often the directory is read at least.
    pub rescan: Duration,
    /// Takes down what is wrong with manifests.
    pub events: Arc<E>,
    /// Tells the time.
    pub clock: Arc<C>,
}

/// The source of pods, and of the objects that they refer to, in a directory.
pub struct FileSource<E, C> {
    parts: FileParts<E, C>,
    /// The bytes of each file as they were read last.
    contents: BTreeMap<PathBuf, Vec<u8>>,
}

impl<E: EventRecorder, C: Clock> FileSource<E, C> {
    /// A source that has not looked yet.
    pub fn new(parts: FileParts<E, C>) -> Self {
        Self {
            parts,
            contents: BTreeMap::new(),
        }
    }

    /// Says what the directory holds until `shutdown`.
    pub async fn run(mut self, says: mpsc::Sender<Saying>, shutdown: CancellationToken) {
        // Watching begins before the first look, so that nothing falls between.
        let mut watch = self.watch();
        loop {
            match self.look() {
                Ok(scan) => {
                    let source = PodSource::File;
                    if says.send(Saying { source, scan }).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    let directory = self.parts.directory.display();
                    tracing::warn!(%directory, %error, "cannot read the manifest directory");
                }
            }
            if watch.is_none() {
                watch = self.watch();
                if watch.is_some() {
                    // What happened before is seen by another look.
                    continue;
                }
            }
            // Both arms only wait; what happened meanwhile is seen by the next look.
            tokio::select! {
                () = shutdown.cancelled() => return,
                goes_on = until_change(watch.as_mut(), self.parts.rescan) => {
                    if !goes_on {
                        watch = None;
                    }
                }
            }
        }
    }

    /// Reads the whole directory. One that does not exist has no manifests.
    fn look(&mut self) -> io::Result<BTreeMap<PodOrigin, Scan>> {
        let paths = match manifest_paths(&self.parts.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other?,
        };
        let scan: BTreeMap<_, _> = paths
            .into_iter()
            .filter_map(|path| self.read(&path).map(|said| (PodOrigin::File(path), said)))
            .collect();
        let is_there = |path: &PathBuf| scan.contains_key(&PodOrigin::File(path.clone()));
        self.contents.retain(|path, _| is_there(path));
        Ok(scan)
    }

    /// What a file says now; `None` when it is gone.
    fn read(&mut self, path: &Path) -> Option<Scan> {
        let (events, origin) = (self.parts.events.as_ref(), PodOrigin::File(path.to_owned()));
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                let message = format!("{origin}: {error}");
                warn(events, &origin, "FailedToReadManifest", message);
                return Some(Scan::Broken);
            }
        };
        if self.contents.get(path) == Some(&bytes) {
            return Some(Scan::Unchanged);
        }
        let text = String::from_utf8_lossy(&bytes);
        let now = self.parts.clock.now();
        let read = read_manifest(&origin, &text, &self.parts.node, now);
        self.contents.insert(path.to_owned(), bytes);
        match read {
            Ok(manifest) => {
                warn_of(events, &origin, &manifest);
                Some(Scan::Read(Contents::from(manifest)))
            }
            Err(error) => {
                tracing::warn!(%error, "a manifest is broken; what it said before stays");
                warn(events, &origin, "FailedToReadManifest", error.to_string());
                Some(Scan::Broken)
            }
        }
    }

    fn watch(&self) -> Option<Watch> {
        let watch = watch(&self.parts.directory);
        if let Err(error) = &watch {
            tracing::debug!(error = error as &dyn std::error::Error, "only rescanning");
        }
        watch.ok()
    }
}

type Watch = inotify::EventStream<[u8; 4096]>;

fn watch(directory: &Path) -> Result<Watch, WatchError> {
    let error = |source| WatchError {
        directory: directory.to_owned(),
        source,
    };
    let inotify = Inotify::init().map_err(error)?;
    let mask = WatchMask::CLOSE_WRITE
        | WatchMask::CREATE
        | WatchMask::MOVE
        | WatchMask::DELETE
        | WatchMask::DELETE_SELF
        | WatchMask::MOVE_SELF;
    inotify.watches().add(directory, mask).map_err(error)?;
    inotify.into_event_stream([0; 4096]).map_err(error)
}

/// Waits for a change or for the time of the next look; whether the watch is still good.
async fn until_change(watch: Option<&mut Watch>, rescan: Duration) -> bool {
    let Some(watch) = watch else {
        tokio::time::sleep(WATCH_RETRY.min(rescan)).await;
        return true;
    };
    match tokio::time::timeout(rescan, watch.next()).await {
        Err(_) => true,
        Ok(event) => is_good(event) && settle(watch).await,
    }
}

/// Takes what follows a first event until the directory is quiet.
async fn settle(watch: &mut Watch) -> bool {
    while let Ok(event) = tokio::time::timeout(SETTLE, watch.next()).await {
        if !is_good(event) {
            return false;
        }
    }
    true
}

/// A watch ends with its directory.
fn is_good(event: Option<io::Result<inotify::EventOwned>>) -> bool {
    let gone = inotify::EventMask::DELETE_SELF
        | inotify::EventMask::MOVE_SELF
        | inotify::EventMask::IGNORED;
    matches!(event, Some(Ok(event)) if !event.mask.intersects(gone))
}

/// The files of a directory by name, without dotfiles; or the one file that stands in its place.
fn manifest_paths(directory: &Path) -> io::Result<Vec<PathBuf>> {
    if directory.is_file() {
        return Ok(vec![directory.to_owned()]);
    }
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
        // A link counts as what it leads to.
        let is_file = std::fs::metadata(entry.path()).is_ok_and(|file| file.is_file());
        if !is_hidden && is_file {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
