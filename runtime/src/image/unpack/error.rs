//! Why a layer could not be unpacked.

use std::io;
use std::path::PathBuf;

use crate::image::digest::Digest;

/// Why a layer could not be unpacked. Nothing outside of its directory was touched, whatever it is.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The content stopped coming or cannot be decompressed.
    #[error("cannot read the layer")]
    Read(#[source] io::Error),
    /// The content is not what was asked for.
    #[error("{what} of the layer is {got}, expected {expected}")]
    DigestMismatch {
        /// Which digest.
        what: &'static str,
        /// The one named by manifest or configuration.
        expected: Digest,
        /// The one the content has.
        got: Digest,
    },
    /// The content is longer or shorter than the manifest says.
    #[error("the layer has {got} bytes, the manifest says {expected}")]
    SizeMismatch {
        /// What the manifest says.
        expected: u64,
        /// What came; reading stops at the first byte too many.
        got: u64,
    },
    /// The archive is damaged.
    #[error("the layer is not a valid tar archive: {0}")]
    Malformed(&'static str),
    /// A name leads out of the layer.
    #[error("entry {name:?} would lead out of the layer: {reason}")]
    Escape {
        /// The name as the archive has it.
        name: String,
        /// How.
        reason: &'static str,
    },
    /// Something tar can express and container images do not use.
    #[error("entry {name:?}: {what} is not supported")]
    Unsupported {
        /// The name as the archive has it.
        name: String,
        /// What it is.
        what: &'static str,
    },
    /// More than one layer may have.
    #[error("the layer has more than {limit} {what}")]
    TooLarge {
        /// The bound.
        limit: u64,
        /// Of what.
        what: &'static str,
    },
    /// The kernel refused.
    #[error("cannot {attempted} {path:?}")]
    Write {
        /// What was tried.
        attempted: &'static str,
        /// On which path of the layer.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl UnpackError {
    /// What a failed read means: readers below the archive hand their verdict up inside of it.
    pub(super) fn from_read(error: io::Error) -> Self {
        error.downcast().unwrap_or_else(Self::Read)
    }

    /// Whether the bytes make no sense, as if they were others than were asked for.
    pub(super) fn is_nonsense(&self) -> bool {
        matches!(
            self,
            Self::Read(_) | Self::Malformed(_) | Self::DigestMismatch { .. }
        )
    }

    /// Whether the bytes are others than were asked for.
    pub(super) fn is_wrong_content(&self) -> bool {
        matches!(
            self,
            Self::DigestMismatch { .. } | Self::SizeMismatch { .. }
        )
    }

    /// Whether the disk is full, which is no fault of the layer.
    pub fn is_disk_full(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self, Self::Write { source, .. } if matches!(source.kind(), StorageFull | QuotaExceeded))
    }
}
