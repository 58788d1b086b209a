//! Imports images from a file: an OCI layout or a docker archive, as a tar.
//!
//! ```text
//! archive    where each file of the tar is (one pass over the headers)
//! layout     index.json ─► images        docker    manifest.json ─► images
//! ```
//!
//! Both give the same plan, and that is carried out like a pull: every digest that is named is
//! checked, and layers go through the same unpacking.

mod archive;
mod docker;
mod layout;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::archive::{Archive, Section};
use super::content::ContentError;
use super::digest::Digest;
use super::id::ChainId;
use super::platform::Platform;
use super::record::NewImage;
use super::store::{Store, StoreError};
use super::unpack::{Expected, Limits, UnpackError, unpack};

/// Documents of an archive are this long at most.
const MAX_DOCUMENT: u64 = 4 << 20;

/// Why an archive could not be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It cannot be read.
    #[error("cannot read {path:?}")]
    Read {
        /// The archive.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is no tar archive.
    #[error("{path:?} is not a readable tar archive; a compressed one must be decompressed first")]
    Archive {
        /// The archive.
        path: PathBuf,
        /// Why.
        #[source]
        source: UnpackError,
    },
    /// It is a tar of something else.
    #[error("the archive has neither an index.json nor a manifest.json: it holds no images")]
    NoImages,
    /// It lacks something that it names itself.
    #[error("the archive lacks {0:?}, which it names")]
    Missing(String),
    /// A document of it cannot be read.
    #[error("{name} of the archive cannot be read")]
    Document {
        /// Which one.
        name: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A document is too long.
    #[error("{0:?} of the archive has more than {MAX_DOCUMENT} bytes")]
    TooLarge(String),
    /// A document is not what its name says.
    #[error("{name:?} of the archive has digest {got}, expected {expected}")]
    DigestMismatch {
        /// Which one.
        name: String,
        /// The digest that named it.
        expected: Digest,
        /// The digest it has.
        got: Digest,
    },
    /// An image cannot be used or stored.
    #[error("import an image")]
    Content(#[from] ContentError),
}

impl From<StoreError> for ImportError {
    fn from(error: StoreError) -> Self {
        Self::Content(error.into())
    }
}

/// An image as an archive has it.
struct Planned {
    image: NewImage,
    /// Bottom first, as are the layers.
    chain: Vec<ChainId>,
    layers: Vec<(Section, Expected)>,
    names: Vec<String>,
}

/// Imports every image of the archive that runs on `host`; answers names, or ids without one. Blocks.
pub(super) fn import(
    store: &Arc<Store>,
    path: &Path,
    limits: Limits,
    host: &Platform,
) -> Result<Vec<String>, ImportError> {
    let archive = Archive::open(path, limits)?;
    let images = match layout::plan(&archive, host)? {
        Some(images) => images,
        None => docker::plan(&archive, host)?.ok_or(ImportError::NoImages)?,
    };
    let mut imported = Vec::new();
    for image in images {
        imported.extend(add(store, image, limits)?);
    }
    Ok(imported)
}

fn add(store: &Arc<Store>, image: Planned, limits: Limits) -> Result<Vec<String>, ImportError> {
    let held = store.hold(image.chain);
    for (number, (blob, expected)) in image.layers.into_iter().enumerate() {
        if held.present()[number] {
            continue;
        }
        let staged = store.stage()?;
        let digest = expected
            .blob
            .as_ref()
            .map_or(&expected.diff_id, |(digest, _)| digest);
        let finished = unpack(blob, &expected, staged.path(), limits)
            .map_err(|error| ContentError::layer(digest, error))?;
        held.place(number, staged, &finished)?;
    }
    let added = store.add(image.image, &held, &image.names)?;
    Ok(if image.names.is_empty() {
        vec![added.id.to_string()]
    } else {
        image.names
    })
}
