//! Pulls an image: manifest, configuration, missing layers, then all of it into the store at once.
//!
//! ```text
//! registry ──pieces──► channel ──► unpack (a blocking thread, in tmp/) ─┐  several layers
//! registry ──pieces──► channel ──► unpack                             ─┼─► store.add
//! ```
//!
//! Dropping the future ends everything: the channels close, the unpacking threads see an incomplete
//! blob, and their directories go away with them.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use futures::{StreamExt, TryStreamExt};
use tokio::sync::mpsc;

use super::content::{self, ContentError};
use super::digest::Digest;
use super::id::{ChainId, ImageId};
use super::manifest::{self, Document, Manifest};
use super::platform::Platform;
use super::progress::{LayerProgress, Reporter};
use super::record::ImageRecord;
use super::reference::{InvalidImageName, Reference};
use super::registry::{Piece, RegistryError, RegistrySettings, Session};
use super::store::{Part, Store};
use super::unpack::{Expected, unpack};

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
    pub(super) session: Result<Session, RegistryError>,
    pub(super) settings: Arc<RegistrySettings>,
    pub(super) reference: Reference,
    pub(super) host: Platform,
    pub(super) progress: Reporter,
}

impl Pull {
    /// Pulls. May be dropped at any time.
    pub(super) async fn run(self) -> Result<ImageRecord, PullError> {
        let pulled = match &self.session {
            Ok(session) => self.pull(session).await,
            Err(error) => Err(Failure::Registry(error.clone())),
        };
        pulled.map_err(|failure| PullError::new(self.reference.clone(), failure))
    }

    async fn pull(&self, session: &Session) -> Result<ImageRecord, Failure> {
        let (manifest, digest) = self.manifest(session).await?;
        let document = session
            .document("the configuration", &manifest.config.digest)
            .await?;
        let config = content::read_config(&document, manifest.layers.len(), &self.host)?;
        let held = self.store.hold(content::chain_of(&config));
        let layers: Vec<(usize, ChainId, bool, Expected)> = held
            .layers()
            .zip(content::expected_layers(&manifest, &config))
            .enumerate()
            .map(|(number, ((chain_id, present), expected))| {
                (number, chain_id.clone(), present, expected)
            })
            .collect();
        self.progress.begin(
            layers
                .iter()
                .map(|(_, _, present, e)| begin(e, *present))
                .collect(),
        );
        let parts = futures::stream::iter(layers)
            .map(|(number, chain_id, present, expected)| async move {
                if present {
                    return Ok(Part::Present(chain_id));
                }
                self.layer(session, number, chain_id, expected).await
            })
            .buffered(self.settings.parallel_layers.max(1))
            .try_collect::<Vec<Part>>()
            .await?;
        let mut names = vec![self.reference.repo_digest(&digest)];
        names.extend(self.reference.repo_tag());
        let (store, id) = (Arc::clone(&self.store), ImageId(manifest.config.digest));
        let added = tokio::task::spawn_blocking(move || {
            // Moved here so that the layers stay even when nobody waits for the pull any more.
            let _held = held;
            store.add(id, config.config, parts, &names)
        });
        Ok(added.await.expect("adding an image does not panic")?)
    }

    /// The manifest for this platform, and the digest by which the reference names it.
    async fn manifest(&self, session: &Session) -> Result<(Manifest, Digest), Failure> {
        let (mut text, named) = session.manifest(self.reference.version()).await?;
        for _ in 0..=MAX_INDEXES {
            match manifest::parse(&text)? {
                Document::Manifest(manifest) => return Ok((manifest, named)),
                Document::Index(entries) => {
                    let Some(entry) = manifest::select(&entries, &self.host) else {
                        return Err(ContentError::platform(&self.host, &entries).into());
                    };
                    (text, _) = session.manifest(entry.digest.as_str()).await?;
                }
            }
        }
        let nested = "an index within an index within an index".to_owned();
        Err(manifest::ManifestError::UnsupportedFormat(nested).into())
    }

    async fn layer(
        &self,
        session: &Session,
        number: usize,
        chain_id: ChainId,
        expected: Expected,
    ) -> Result<Part, Failure> {
        let (digest, size) = expected.blob.clone().expect("a registry names every blob");
        let (sender, receiver) = mpsc::channel(PIECES);
        let (store, limits) = (Arc::clone(&self.store), self.settings.limits);
        let blob = digest.clone();
        let unpacking = tokio::task::spawn_blocking(move || {
            let staged = store.stage()?;
            let reader = PieceReader {
                pieces: receiver,
                piece: Bytes::new(),
                ended: false,
            };
            match unpack(reader, &expected, staged.path(), limits) {
                Ok(finished) => Ok(Part::Unpacked(chain_id, staged, finished)),
                Err(error) => Err(ContentError::layer(&blob, error)),
            }
        });
        let arrived = |done| self.progress.arrived(number, done);
        let fetching = session.stream_blob(&digest, size, sender, arrived);
        let (fetched, unpacked) = futures::future::join(fetching, unpacking).await;
        // A blob that broke off cannot be unpacked either: the first cause is the registry.
        fetched?;
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
