//! Pulls an image: manifest, configuration, missing layers, then all of it into the store at once.
//!
//! ```text
//! registry ──pieces──► channel ──► unpack (a blocking thread, in tmp/) ─┐  several layers
//! registry ──pieces──► channel ──► unpack                             ─┴─► place ─► store.add
//! ```
//!
//! Dropping the future ends everything: the channels close, the unpacking threads see an incomplete
//! blob, and their directories go away with them. Layers that have their places stay for the next
//! pull.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf, Bytes};
use futures::{StreamExt, TryStreamExt};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::content::{self, ContentError};
use super::digest::Digest;
use super::id::{ChainId, ImageId};
use super::manifest::{self, Document, Manifest};
use super::platform::Platform;
use super::progress::{LayerProgress, Reporter};
use super::record::{ImageRecord, NewImage};
use super::reference::{InvalidImageName, Reference};
use super::registry::{Clients, Login, Piece, RegistryError, RegistrySettings, Repository};
use super::store::{Held, Staged, Store};
use super::unpack::{Expected, Finished, unpack};
use crate::metrics::{Metrics, Pulled};

/// Pieces between the network and the disk: the pull waits for whichever is slower.
const PIECES: usize = 16;
/// An index may name another index, once.
const MAX_INDEXES: usize = 2;

/// Why an image could not be pulled.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PullError {
    /// That is no image name.
    #[error(transparent)]
    InvalidReference(#[from] InvalidImageName),
    /// The registry has no such image.
    #[error("image {reference} not found: {what} is not in the registry")]
    NotFound {
        /// The image.
        reference: Reference,
        /// What exactly is missing.
        what: String,
    },
    /// The registry wants credentials.
    #[error("pull {reference}: access denied: the image does not exist or needs credentials")]
    Unauthorized {
        /// The image.
        reference: Reference,
    },
    /// The registry did not give something.
    #[error("pull {reference}")]
    Registry {
        /// The image.
        reference: Reference,
        /// Why.
        #[source]
        source: RegistryError,
    },
    /// What it gave cannot be used or stored.
    #[error("pull {reference}")]
    Content {
        /// The image.
        reference: Reference,
        /// Why.
        #[source]
        source: ContentError,
    },
}

/// Either side of a pull.
#[derive(Debug)]
enum Failure {
    Registry(RegistryError),
    Content(ContentError),
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}

impl<E: Into<ContentError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Content(error.into())
    }
}

impl PullError {
    /// Whether the registry could not be asked, as opposed to having answered.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Registry { source, .. } if source.is_unavailable())
    }

    fn new(reference: Reference, failure: Failure) -> Self {
        match failure {
            Failure::Registry(RegistryError::NotFound { what }) => {
                Self::NotFound { reference, what }
            }
            Failure::Registry(RegistryError::Unauthorized { .. }) => {
                Self::Unauthorized { reference }
            }
            Failure::Registry(source) => Self::Registry { reference, source },
            Failure::Content(source) => Self::Content { reference, source },
        }
    }
}

/// Everything one pull works with.
pub(super) struct Pull {
    pub(super) store: Arc<Store>,
    pub(super) clients: Arc<Clients>,
    pub(super) login: Login,
    pub(super) settings: Arc<RegistrySettings>,
    pub(super) reference: Reference,
    pub(super) host: Platform,
    pub(super) progress: Reporter,
    pub(super) metrics: Metrics,
}

impl Pull {
    /// Pulls. May be dropped at any time.
    pub(super) async fn run(self) -> Result<ImageRecord, PullError> {
        let (_underway, begun) = (self.metrics.pulling(), Instant::now());
        let pulled = match self.open().await {
            Ok(repository) => self.pull(&repository).await,
            Err(error) => Err(error.into()),
        };
        let how = match pulled {
            Ok(_) => Pulled::Whole,
            Err(_) => Pulled::Failed,
        };
        self.metrics.pulled(how, begun.elapsed());
        pulled.map_err(|failure| PullError::new(self.reference.clone(), failure))
    }

    /// Reads the configuration of the registry, and certificates.
    async fn open(&self) -> Result<Repository, RegistryError> {
        let (clients, settings) = (Arc::clone(&self.clients), Arc::clone(&self.settings));
        let (reference, login) = (self.reference.clone(), self.login.clone());
        let opening =
            spawn_blocking(move || Repository::open(&clients, &settings, &reference, &login));
        opening
            .await
            .expect("reading a configuration does not panic")
    }

    /// Layers of a pull that broke off are kept for the next; not those of an image that is no good,
    /// and none at all when there is no room.
    async fn give_up(&self, failure: &Failure, chain: Vec<ChainId>) {
        let is_doomed: Box<dyn Fn(&ChainId) -> bool + Send> = match failure {
            Failure::Registry(_) => return,
            Failure::Content(ContentError::DiskFull) => Box::new(|_| true),
            Failure::Content(_) => Box::new(move |id| chain.contains(id)),
        };
        let store = Arc::clone(&self.store);
        let dropped = spawn_blocking(move || store.drop_unclaimed(is_doomed)).await;
        if let Err(error) = dropped.expect("dropping layers does not panic") {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "layers of a pull that failed stay");
        }
    }

    async fn pull(&self, repository: &Repository) -> Result<ImageRecord, Failure> {
        let (manifest, digest) = self.manifest(repository).await?;
        let document = repository
            .document("the configuration", &manifest.config.digest)
            .await?;
        let config = content::read_config(&document, manifest.layers.len(), &self.host)?;
        let chain = content::chain_of(&config);
        let layers = content::expected_layers(&manifest, &config);
        let id = ImageId(manifest.config.digest);
        let image = NewImage::new(id, config, &document, manifest.annotations);
        let mut names = vec![self.reference.repo_digest(&digest)];
        names.extend(self.reference.repo_tag());
        let held = self.store.hold(chain.clone());
        let added = self.add(repository, held, layers, image, names).await;
        if let Err(failure) = &added {
            self.give_up(failure, chain).await;
        }
        added
    }

    async fn add(
        &self,
        repository: &Repository,
        held: Held,
        layers: Vec<Expected>,
        image: NewImage,
        names: Vec<String>,
    ) -> Result<ImageRecord, Failure> {
        let held = Arc::new(held);
        self.layers(repository, &held, layers).await?;
        let store = Arc::clone(&self.store);
        // The thread keeps the layers also when nobody waits for the pull any more.
        let added = spawn_blocking(move || store.add(image, &held, &names));
        Ok(added.await.expect("adding an image does not panic")?)
    }

    /// Fetches what is missing, several layers at once; each gets its place when those below it have
    /// theirs, so that a pull which is cut short leaves whole layers for the next.
    async fn layers(
        &self,
        repository: &Repository,
        held: &Arc<Held>,
        layers: Vec<Expected>,
    ) -> Result<(), Failure> {
        let present = held.present().iter().copied();
        let layers: Vec<(Expected, bool)> = layers.into_iter().zip(present).collect();
        let begun = layers.iter().map(|(layer, present)| begin(layer, *present));
        self.progress.begin(begun.collect());
        let missing = layers
            .into_iter()
            .enumerate()
            .filter(|(_, (_, present))| !present);
        let mut unpacked = futures::stream::iter(missing)
            .map(|(number, (expected, _))| self.layer(repository, number, expected))
            .buffered(self.settings.parallel_layers.max(1));
        while let Some((number, staged, finished)) = unpacked.try_next().await? {
            let held = Arc::clone(held);
            let placing = spawn_blocking(move || held.place(number, staged, &finished));
            placing.await.expect("placing a layer does not panic")?;
        }
        Ok(())
    }

    /// The manifest for this platform, and the digest by which the reference names it.
    async fn manifest(&self, repository: &Repository) -> Result<(Manifest, Digest), Failure> {
        let (mut text, named) = repository.manifest(self.reference.version()).await?;
        for _ in 0..=MAX_INDEXES {
            match manifest::parse(&text)? {
                Document::Manifest(manifest) => return Ok((manifest, named)),
                Document::Index(entries) => {
                    let Some(entry) = manifest::select(&entries, &self.host) else {
                        return Err(ContentError::platform(&self.host, &entries).into());
                    };
                    (text, _) = repository.manifest(entry.digest.as_str()).await?;
                }
            }
        }
        let nested = "an index within an index within an index".to_owned();
        Err(manifest::ManifestError::UnsupportedFormat(nested).into())
    }

    async fn layer(
        &self,
        repository: &Repository,
        number: usize,
        expected: Expected,
    ) -> Result<(usize, Staged, Finished), Failure> {
        let (digest, size) = expected.blob.clone().expect("a registry names every blob");
        let (sender, receiver) = mpsc::channel(PIECES);
        let (store, limits) = (Arc::clone(&self.store), self.settings.limits);
        let blob = digest.clone();
        let unpacking = spawn_blocking(move || {
            let staged = store.stage()?;
            let reader = PieceReader {
                pieces: receiver,
                piece: Bytes::new(),
                ended: false,
            };
            match unpack(reader, &expected, staged.path(), limits) {
                Ok(finished) => Ok((number, staged, finished)),
                Err(error) => Err(ContentError::layer(&blob, error)),
            }
        });
        let arrived = |done| self.progress.arrived(number, done);
        let fetching = repository.stream_blob(&digest, size, sender, arrived);
        let (fetched, unpacked) = futures::future::join(fetching, unpacking).await;
        // A blob that broke off cannot be unpacked either: the first cause is the registry.
        fetched?;
        self.metrics.fetched(size);
        Ok(unpacked.expect("unpacking does not panic")?)
    }
}

fn begin(expected: &Expected, present: bool) -> LayerProgress {
    let (digest, total) = expected.blob.clone().expect("a registry names every blob");
    LayerProgress {
        digest,
        total,
        done: if present { total } else { 0 },
    }
}

/// What arrives, for a thread that reads.
struct PieceReader {
    pieces: mpsc::Receiver<Piece>,
    piece: Bytes,
    ended: bool,
}

impl Read for PieceReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() && !self.ended {
            match self.pieces.blocking_recv() {
                Some(Piece::Bytes(piece)) => self.piece = piece,
                Some(Piece::End) => self.ended = true,
                None => return Err(io::Error::other("the download was given up")),
            }
        }
        let length = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}
