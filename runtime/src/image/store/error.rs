//! Why the store could not do something.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why the store could not do something.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The kernel refused.
    #[error("cannot {attempted} {path:?}")]
    Io {
        /// What was tried.
        attempted: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
    /// A newer podling wrote here.
    #[error("{path:?} has format {version}, which is newer than this program")]
    Newer {
        /// The record.
        path: PathBuf,
        /// Its format.
        version: u32,
    },
}

impl StoreError {
    pub(crate) fn at(attempted: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            attempted,
            path: path.to_owned(),
            source: Arc::new(source),
        }
    }

    /// Whether the disk is full.
    pub fn is_disk_full(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self, Self::Io { source, .. } if matches!(source.kind(), StorageFull | QuotaExceeded))
    }
}
