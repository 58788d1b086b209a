//! Watches the manifest directory: inotify for what happens, a slow rescan for what it misses.
//!
//! Every look reads the whole directory; only files whose bytes changed are read as manifests again
//! and reported on.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use inotify::{Inotify, WatchMask};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;

use crate::model::{Event, EventKind, ObjectKey, PodName};
use crate::store::Shelf;
use crate::sync::{Clock, EventRecorder, Input};

use super::{Contents, Desired, Duplicate, Manifest, NodeIdentity, Scan, merge, read_manifest};

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
    /// Where the objects of manifests are put out.
    pub shelf: Shelf,
}

/// The source of static pods, and of the objects that they refer to.
pub struct FileSource<E, C> {
    parts: FileParts<E, C>,
    desired: Desired,
    /// The bytes of each file as they were read last.
    contents: BTreeMap<PathBuf, Vec<u8>>,
    duplicates: Vec<Duplicate>,
    /// Whether everybody sees the objects as they are desired.
    is_put_out: bool,
}

impl<E: EventRecorder, C: Clock> FileSource<E, C> {
    /// A source that has not looked yet.
    pub fn new(parts: FileParts<E, C>) -> Self {
        Self {
            parts,
            desired: Desired::default(),
            contents: BTreeMap::new(),
            duplicates: Vec::new(),
            is_put_out: true,
        }
    }

    /// Tells `inbox` what is desired until `shutdown`, and after the first look that it is ready.
    pub async fn run(mut self, inbox: mpsc::Sender<Input>, shutdown: CancellationToken) {
        // Watching begins before the first look, so that nothing falls between.
        let mut watch = self.watch();
        let mut told_ready = false;
        loop {
            let looked = self.look();
            let delivered = self.deliver(looked, &inbox, &mut told_ready).await;
            if !delivered {
                return;
            }
            if watch.is_none() {
                watch = self.watch();
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

    /// Whether the loop still listens.
    async fn deliver(
        &mut self,
        looked: io::Result<BTreeMap<PathBuf, Scan>>,
        inbox: &mpsc::Sender<Input>,
        told_ready: &mut bool,
    ) -> bool {
        let scan = match looked {
            Ok(scan) => scan,
            Err(error) => {
                let directory = self.parts.directory.display();
                tracing::warn!(%directory, %error, "cannot read the manifest directory");
                return true;
            }
        };
        let merged = merge(&self.desired, scan);
        self.desired = merged.desired;
        self.tell_duplicates(merged.duplicates);
        // Objects first: a new pod finds them, and a pod that waits for them is woken.
        self.is_put_out &= merged.changed_objects.is_empty();
        let objects = self.put_out();
        if !objects.is_empty() && inbox.send(Input::ObjectsChanged(objects)).await.is_err() {
            return false;
        }
        if !merged.changes.is_empty() && inbox.send(Input::Desired(merged.changes)).await.is_err() {
            return false;
        }
        if !*told_ready {
            *told_ready = true;
            return inbox.send(Input::SourcesReady).await.is_ok();
        }
        true
    }

    /// Puts the objects out unless they are; says what changed.
    fn put_out(&mut self) -> BTreeSet<ObjectKey> {
        if self.is_put_out {
            return BTreeSet::new();
        }
        match self.parts.shelf.put(self.desired.objects().clone()) {
            Ok(changed) => {
                self.is_put_out = true;
                changed
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "objects of manifests stay as they were");
                BTreeSet::new()
            }
        }
    }

    /// Reads the whole directory. One that does not exist has no manifests.
    fn look(&mut self) -> io::Result<BTreeMap<PathBuf, Scan>> {
        let paths = match manifest_paths(&self.parts.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other?,
        };
        let scan: BTreeMap<_, _> = paths
            .into_iter()
            .filter_map(|path| self.read(&path).map(|said| (path, said)))
            .collect();
        self.contents.retain(|path, _| scan.contains_key(path));
        Ok(scan)
    }

    /// What a file says now; `None` when it is gone.
    fn read(&mut self, path: &Path) -> Option<Scan> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                self.warn(
                    path,
                    "FailedToReadManifest",
                    format!("{}: {error}", path.display()),
                );
                return Some(Scan::Broken);
            }
        };
        if self.contents.get(path) == Some(&bytes) {
            return Some(Scan::Unchanged);
        }
        let text = String::from_utf8_lossy(&bytes);
        let read = read_manifest(path, &text, &self.parts.node, self.parts.clock.now());
        self.contents.insert(path.to_owned(), bytes);
        match read {
            Ok(manifest) => {
                self.tell_warnings(path, &manifest);
                let Manifest { pods, objects } = manifest;
                let objects = objects.into_iter().map(|one| (one.key, one.object));
                Some(Scan::Read(Contents {
                    pods: pods.into_iter().map(|one| one.pod).collect(),
                    objects: objects.collect(),
                }))
            }
            Err(error) => {
                tracing::warn!(%error, "a manifest is broken; what it said before stays");
                self.warn(path, "FailedToReadManifest", error.to_string());
                Some(Scan::Broken)
            }
        }
    }

    fn tell_warnings(&self, path: &Path, manifest: &Manifest) {
        for read in &manifest.pods {
            for message in &read.warnings {
                self.parts.events.record(Event {
                    pod: read.pod.name.clone(),
                    uid: Some(read.pod.uid.clone()),
                    container: None,
                    kind: EventKind::Warning,
                    reason: "FieldIgnored",
                    message: message.clone(),
                });
            }
        }
        for message in manifest.objects.iter().flat_map(|read| &read.warnings) {
            self.warn(path, "FieldIgnored", message.clone());
        }
    }

    fn tell_duplicates(&mut self, duplicates: Vec<Duplicate>) {
        for duplicate in duplicates
            .iter()
            .filter(|one| !self.duplicates.contains(one))
        {
            match duplicate {
                Duplicate::Pod { pod, first } => self.parts.events.record(Event {
                    pod: pod.name.clone(),
                    uid: None,
                    container: None,
                    kind: EventKind::Warning,
                    reason: "DuplicatePod",
                    message: format!(
                        "pod {} of {} is passed over: {first} has one of that name",
                        pod.name, pod.origin
                    ),
                }),
                Duplicate::Object { key, file, first } => {
                    let (in_file, first) = (file.display(), first.display());
                    let message =
                        format!("{key} of {in_file} is passed over: {first} has one of that name");
                    self.warn(file, "DuplicateObject", message);
                }
            }
        }
        self.duplicates = duplicates;
    }

    fn warn(&self, path: &Path, reason: &'static str, message: String) {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        self.parts.events.record(Event {
            pod: PodName::new("default", &file),
            uid: None,
            container: None,
            kind: EventKind::Warning,
            reason,
            message,
        });
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

/// The files of a directory by name, without dotfiles.
fn manifest_paths(directory: &Path) -> io::Result<Vec<PathBuf>> {
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
