//! The images of this machine: what the rest of the runtime asks for.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::accounts::{self, AccountsError};
use super::id::ImageId;
use super::import::{self, ImportError};
use super::merged::MergedDirectory;
use super::platform::Platform;
use super::progress::{Progress, Reporter};
use super::pull::{Pull, PullError};
use super::record::ImageRecord;
use super::reference::{InvalidImageName, Query, Reference};
use super::registry::{Clients, Login, RegistrySettings};
use super::store::{Lease, Store, StoreError};
use crate::metrics::Metrics;
use crate::spec::Accounts;

/// The images of this machine.
pub struct Images {
    store: Arc<Store>,
    settings: Arc<RegistrySettings>,
    metrics: Metrics,
    clients: Arc<Clients>,
    /// Pulls that run: whoever wants the same image with the same credentials waits for the same
    /// pull. A pull ends with the last one who waits for it.
    pulls: Mutex<HashMap<(Reference, Login), Running>>,
    accounts: Mutex<HashMap<ImageId, Arc<Accounts>>>,
}

type PullFuture = BoxFuture<'static, Result<ImageRecord, PullError>>;

struct Running {
    pull: WeakShared<PullFuture>,
    progress: Reporter,
}

/// Why the images cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("open the images at {path:?}")]
pub struct OpenError {
    path: PathBuf,
    #[source]
    source: StoreError,
}

/// Why an image could not be removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// That is no image name.
    #[error(transparent)]
    InvalidReference(#[from] InvalidImageName),
    /// The store could not.
    #[error("remove image")]
    Store(#[from] StoreError),
}

/// What the images take on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// When this was so, in nanoseconds since the epoch.
    pub at: i64,
    /// The directory it is about.
    pub mountpoint: PathBuf,
    /// Bytes of all unpacked layers.
    pub bytes: u64,
    /// Their files and directories.
    pub inodes: u64,
}

impl std::fmt::Debug for Images {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Images")
            .field("dir", &self.store.dir())
            .finish_non_exhaustive()
    }
}

impl Images {
    /// Opens the images below `dir` and clears away what a crash left. Blocks for as long as that
    /// takes. One process at a time may do so: the caller holds a lock.
    /// `boot_id` says which boot of the kernel this is.
    pub fn open(dir: &Path, boot_id: &str, settings: RegistrySettings) -> Result<Self, OpenError> {
        let store = Store::open(dir, boot_id).map_err(|source| OpenError {
            path: dir.to_owned(),
            source,
        })?;
        Ok(Self {
            store: Arc::new(store),
            settings: Arc::new(settings),
            metrics: Metrics::default(),
            clients: Arc::default(),
            pulls: Mutex::default(),
            accounts: Mutex::default(),
        })
    }

    /// Counts pulls into `metrics` from now on.
    #[must_use]
    pub fn counted_by(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// The image a client means: by id, beginning of an id, tag or digest.
    pub fn resolve(&self, name: &str) -> Option<ImageRecord> {
        self.store
            .resolve(&name.parse().ok()?)
            .map(|image| self.with_pin(image))
    }

    /// The image a client means, to make a container of: it is not deleted while the answer lives.
    /// Before that ends, `in_use` of the other calls must name the image.
    pub fn lease(&self, name: &str) -> Option<Lease> {
        self.store.lease(&name.parse().ok()?)
    }

    /// The configuration of an image as its registry gave it; `None` when it was not kept.
    pub async fn document(&self, id: &ImageId) -> Result<Option<String>, StoreError> {
        let (store, id) = (Arc::clone(&self.store), id.clone());
        let reading = spawn_blocking(move || store.document(&id));
        reading.await.expect("reading a record does not panic")
    }

    /// All images.
    pub fn list(&self) -> Vec<ImageRecord> {
        self.store
            .list()
            .into_iter()
            .map(|image| self.with_pin(image))
            .collect()
    }

    /// Pulls an image, or waits for a pull of it that runs. `progress` is told how far it is. May be
    /// dropped at any time; the pull goes on as long as anybody waits for it.
    pub async fn pull(
        &self,
        reference: &str,
        login: Login,
        progress: watch::Sender<Progress>,
    ) -> Result<ImageRecord, PullError> {
        let (pull, mut changes) = self.join((reference.parse()?, login));
        let mut pull = std::pin::pin!(pull);
        loop {
            tokio::select! {
                pulled = &mut pull => {
                    progress.send_replace(changes.borrow().clone());
                    return pulled.map(|image| self.with_pin(image));
                }
                // Cancelled without loss: the latest value stays in the channel.
                Ok(()) = changes.changed() => {
                    progress.send_replace(changes.borrow_and_update().clone());
                }
            }
        }
    }

    /// Removes an image with all its names; one that is not here is no error. The layers of an image
    /// in `in_use` (ids) stay until a later call says that it is not in use any more. `in_use` is
    /// asked at the moment that counts, and must not block.
    pub async fn remove(
        &self,
        name: &str,
        in_use: impl Fn() -> BTreeSet<String> + Send + 'static,
    ) -> Result<(), RemoveError> {
        let query: Query = name.parse()?;
        let store = Arc::clone(&self.store);
        let removing = spawn_blocking(move || store.remove(&query, &|| ids(&in_use())));
        let removed = removing.await.expect("removing an image does not panic")?;
        if let Some(id) = removed {
            self.lock_accounts().remove(&id);
        }
        Ok(())
    }

    /// Deletes the layers of removed images that no container uses any more.
    pub async fn collect(
        &self,
        in_use: impl Fn() -> BTreeSet<String> + Send + 'static,
    ) -> Result<(), RemoveError> {
        let store = Arc::clone(&self.store);
        let collecting = spawn_blocking(move || store.collect(&|| ids(&in_use())));
        Ok(collecting.await.expect("collecting does not panic")?)
    }

    /// Imports the images of an OCI layout or docker archive and answers their names; the id of one
    /// that has none.
    pub async fn import(&self, path: &Path) -> Result<Vec<String>, ImportError> {
        let (store, limits, path) = (
            Arc::clone(&self.store),
            self.settings.limits,
            path.to_owned(),
        );
        let importing =
            spawn_blocking(move || import::import(&store, &path, limits, &Platform::host()));
        importing.await.expect("importing does not panic")
    }

    /// The account files of an image, read once.
    pub async fn accounts(&self, image: &ImageRecord) -> Result<Accounts, AccountsError> {
        if let Some(known) = self.lock_accounts().get(&image.id) {
            return Ok(Accounts::clone(known));
        }
        let layers = image.layers.clone();
        let reading = spawn_blocking(move || accounts::read(&layers));
        let read = reading.await.expect("reading accounts does not panic")?;
        self.lock_accounts()
            .insert(image.id.clone(), Arc::new(read.clone()));
        Ok(read)
    }

    /// Whether an image has a file or directory at `path`.
    pub async fn has_path(&self, image: &ImageRecord, path: &str) -> io::Result<bool> {
        let top_first: Vec<PathBuf> = image.layers.iter().rev().cloned().collect();
        let path = PathBuf::from(path);
        let looking = spawn_blocking(move || match top_first.is_empty() {
            true => Ok(false),
            false => MergedDirectory::open(&top_first)?.has(&path),
        });
        looking.await.expect("looking into an image does not panic")
    }

    /// What the images take on the disk, as counted when they were unpacked.
    pub fn usage(&self) -> Usage {
        let footprint = self.store.footprint();
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Usage {
            at: i64::try_from(now.as_nanos()).unwrap_or(i64::MAX),
            mountpoint: self.store.dir().to_owned(),
            bytes: footprint.bytes,
            inodes: footprint.inodes,
        }
    }

    fn join(&self, wanted: (Reference, Login)) -> (Shared<PullFuture>, watch::Receiver<Progress>) {
        let mut pulls = self.pulls.lock().unwrap_or_else(PoisonError::into_inner);
        pulls.retain(|_, running| {
            running
                .pull
                .upgrade()
                .is_some_and(|pull| pull.peek().is_none())
        });
        if let Some(running) = pulls.get(&wanted)
            && let Some(pull) = running.pull.upgrade()
        {
            return (pull, running.progress.subscribe());
        }
        let progress = Reporter::new();
        let changes = progress.subscribe();
        let (reference, login) = &wanted;
        let pull = Pull {
            store: Arc::clone(&self.store),
            clients: Arc::clone(&self.clients),
            login: login.clone(),
            settings: Arc::clone(&self.settings),
            reference: reference.clone(),
            host: Platform::host(),
            progress: progress.clone(),
            metrics: self.metrics.clone(),
        };
        let pull = pull.run().boxed().shared();
        if let Some(weak) = pull.downgrade() {
            pulls.insert(
                wanted,
                Running {
                    pull: weak,
                    progress,
                },
            );
        }
        (pull, changes)
    }

    fn with_pin(&self, mut image: ImageRecord) -> ImageRecord {
        let mut names = image.repo_tags.iter().chain(&image.repo_digests);
        image.pinned = names.any(|name| self.settings.pinned.contains(name));
        image
    }

    fn lock_accounts(&self) -> std::sync::MutexGuard<'_, HashMap<ImageId, Arc<Accounts>>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ids(texts: &BTreeSet<String>) -> BTreeSet<ImageId> {
    texts
        .iter()
        .filter_map(|text| Some(ImageId(text.parse().ok()?)))
        .collect()
}
